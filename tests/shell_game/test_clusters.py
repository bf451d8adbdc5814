"""Videos of one script are dependent: intervals count the script, not the video."""

from __future__ import annotations

from pathlib import Path

import pytest

from storm.artifacts.store import Store
from storm.shell_game.scene import World, sample_scenes, script_text, split_of
from storm.shell_game.videos import Counts, ShellVideos
from storm.testing import run_stage

TWO_SWAPS = World(swaps=2, beats=2, size_px=32, beat_frames=5)


def test_a_script_is_its_start_and_its_events() -> None:
    swaps = ((1, 3), None, (2, 4))
    assert script_text(2, swaps) == "script 2 13,-,24"
    others = [(3, swaps), (2, swaps[::-1]), (2, ((1, 3), (2, 4), None))]
    assert len({script_text(2, swaps), *(script_text(*other) for other in others)}) == 4


@pytest.mark.integration
def test_questions_of_one_script_share_a_cluster(tmp_path: Path) -> None:
    counts = Counts(train=0, test=40)
    stage = ShellVideos(world=TWO_SWAPS, counts=counts)
    rows = {row.id: row for row in run_stage(stage, Store(tmp_path))}
    scenes = stage.scenes("test")
    assert {i: row.cluster for i, row in rows.items()} == {
        i: script_text(s.start, s.swaps) for i, s in scenes.items()
    }
    assert len({row.cluster for row in rows.values()}) == 30
    assert len({row.video_id for row in rows.values()}) == 40


@pytest.mark.parametrize(("split", "count"), [("train", 38), ("test", 30)])
def test_two_swaps_have_few_scripts(split, count) -> None:
    scenes = sample_scenes(TWO_SWAPS, split, 3 * count, seed=0)
    scripts = [(s.start, s.swaps) for s in scenes]
    assert len(set(scripts)) == count
    assert all(split_of(*script) == split for script in scripts)


def test_eight_swaps_have_a_script_for_each_video() -> None:
    scenes = sample_scenes(World(), "test", 64, seed=0)
    assert len({script_text(s.start, s.swaps) for s in scenes}) == 64

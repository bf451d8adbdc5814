"""The splits of the profiles whose numbers the docs report share no script and no color."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from storm.config import SPLITS
from storm.pipeline.assemble import assemble
from storm.profiles import load
from storm.profiles.loading import study_overrides
from storm.shell_game.scene import color_cell
from storm.shell_game.shipped_base import read_record, taught_by
from storm.shell_game.videos import ShellVideos

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def worlds() -> dict[str, dict[str, dict[str, Any]]]:
    """Title of each stage that makes videos, `base` for those of the base: split: id: scene."""
    stages = {
        s.title: s
        for s in assemble(load("shell", study_overrides("shell")))
        if isinstance(s, ShellVideos)
    }
    stages["base"] = taught_by(read_record())
    return {
        title: {split: stage.scenes(split) for split in SPLITS} for title, stage in stages.items()
    }


def pooled(worlds: dict[str, Any], split: str) -> list[Any]:
    return [scene for splits in worlds.values() for scene in splits[split].values()]


def test_each_stage_has_its_splits(worlds: dict[str, Any]) -> None:
    sizes = {t: {s: len(scenes) for s, scenes in w.items() if scenes} for t, w in worlds.items()}
    assert sizes["base"].keys() == {"base"}
    for easier in ("", "/direct_2", "/direct_4"):
        assert sizes[f"videos{easier}"].keys() == {"train", "val", "test"}


def test_no_script_is_in_two_splits(worlds: dict[str, Any]) -> None:
    scripts = {split: {(s.start, s.swaps) for s in pooled(worlds, split)} for split in SPLITS}
    assert all(scripts.values())
    for one, other in itertools.combinations(SPLITS, 2):
        assert not scripts[one] & scripts[other]


def test_colors_of_the_test_are_its_own(worlds: dict[str, Any]) -> None:
    cells = {split: {color_cell(s.look) for s in pooled(worlds, split)} for split in SPLITS}
    assert len(cells["test"]) > 3
    assert not cells["test"] & (cells["base"] | cells["train"] | cells["val"])


def test_test_videos_are_distinct(worlds: dict[str, Any]) -> None:
    scenes = worlds["videos"]["test"]
    assert len(scenes) >= 500
    assert len({(s.start, s.swaps) for s in scenes.values()}) == len(scenes)
    assert not scenes.keys() & worlds["videos"]["train"].keys()
    everything = [*scenes.values(), *worlds["videos"]["train"].values()]
    assert len({s.seed for s in everything}) == len(everything)

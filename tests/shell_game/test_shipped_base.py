"""The base that comes with STORM: what it is, what taught it, and what it can do."""

from __future__ import annotations

from pathlib import Path

import pytest

from storm.artifacts.fs import sha256_file
from storm.profiles import load
from storm.shell_game.scene import split_of
from storm.shell_game.shipped_base import FOLDER, read_record, scripts_digest, taught_by
from storm.shell_game.source import ShellSource
from storm.student.importing import PretrainedConfig
from tests.experiments.ship_base import abilities_of, main

LEAST = {"start": 0.97, "one_swap": 0.95, "thought_as_latents": 0.97}


def test_its_record_is_of_these_weights_and_it_is_small() -> None:
    record = read_record()
    assert record["weights_sha256"] == sha256_file(FOLDER / "model.safetensors")
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 4 * 2**20
    assert record["abilities"].keys() == LEAST.keys()
    assert all(record["abilities"][name] >= least for name, least in LEAST.items())


def test_the_default_profile_starts_from_it() -> None:
    student = load("shell").student
    assert isinstance(student, PretrainedConfig)
    assert student.path.samefile(FOLDER)
    assert not load("shell").curriculum


def test_its_inventory_is_that_of_the_profile_that_makes_it() -> None:
    record, profile = read_record(), load("shell_base")
    videos = taught_by(record)
    assert isinstance(profile.videos, ShellSource)
    assert (videos.world, videos.seed) == (profile.videos.world, profile.seed)
    assert videos.counts.base == profile.videos.counts.base
    assert scripts_digest(videos) == record["taught_by"]["scripts_sha256"]
    scenes = videos.scenes("base").values()
    assert {split_of(scene.start, scene.swaps) for scene in scenes} == {"base"}


@pytest.mark.integration
def test_it_can_follow_one_swap(tmp_path: Path) -> None:
    abilities = abilities_of(FOLDER, taught_by(read_record()), tmp_path)
    assert abilities == pytest.approx(read_record()["abilities"], abs=0.01)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_made_again_it_can_do_the_same(tmp_path: Path) -> None:
    abilities = main(tmp_path / "artifacts", tmp_path / "base")
    assert all(abilities[name] >= least for name, least in LEAST.items()), abilities
    again, record = read_record(tmp_path / "base"), read_record()
    assert again["taught_by"] == record["taught_by"]

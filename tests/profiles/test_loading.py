"""Profiles extend each other, overrides set single values; a mistake is one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storm.errors import ConfigError
from storm.pipeline.assemble import assemble
from storm.profiles import load


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def profile(text: str, name: str = "mine") -> str:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return str(path)

    return profile


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("nosuch=1", "nosuch: unknown key"),
        ("keyframes.kk=1", "keyframes.kk: unknown key"),
        ("videos.counts.trein=1", "videos.counts.trein: unknown key"),
        ("generator.kind=crayons", "generator.kind: .*keyframes.*found 'crayons'"),
        ("videos.kind=shel", "videos.kind: .*'shel'"),
        ("videos=3", "videos: .*found 3"),
        ("videos=null", "videos: .*found None"),
        ("keyframes=4", "keyframes: .*found 4"),
        ("seed=often", "seed: .*found 'often'"),
        ("training.fine_tuning=[]", "arms.direct.training: .*fine_tuning for mode direct"),
        ("training={mode: cot, fine_tuning: []}", "training: .*fine_tuning for mode cot"),
        ("arms.direct.training.mode=guess", "arms.direct.training.mode: .*found 'guess'"),
        ("arms.direct=3", "arms.direct: .*found 3"),
        ("arms=3", "arms: .*found 3"),
        ("runtime.device=abacus", "runtime.device: .*found 'abacus'"),
        ("videos.counts.base=-1", "videos.counts.base: .*found -1"),
        ("videos.world.swaps=9", "videos.world: .*at most one swap a beat"),
        (
            "generator={kind: 'own_components:EchoTeacher'}",
            "generator.kind: expected a GeneratorConfig .*found EchoTeacher.Config",
        ),
        ("interventions=[zeros]", "interventions.0: expected none, .*found 'zeros'"),
        ("interventions=['no_such:Halve']", "found ModuleNotFoundError: .*'no_such'"),
        ("interventions=['own_components:Typo']", "has no attribute 'Typo'"),
        ("interventions=['own_components:EchoTeacher']", "callable without arguments"),
        ("seed.x=1", "expected a section at 'seed'"),
        ("=3", "expected --set key.path=value, found '=3'"),
        ("seed", "expected --set key.path=value, found 'seed'"),
        ("seed=[", "expected YAML in --set 'seed=\\['"),
        ("shards.keyfames=2", "'keyframes'.*in `shards`, found \\['keyfames'\\]"),
    ],
)
def test_a_bad_override_is_one_line_that_names_the_key(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        assemble(load("shell", [override]))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("extends: mine.yaml", "extending itself"),
        ("extends: nope", "expected a profile of .*shell.*found 'nope'"),
        ("extends: 3", "expected a profile of .*found 3"),
        ("extends: shell\nvideos: 3", "videos: .*found 3"),
        ("extends: shell\nkeyframes: {k: many}", "keyframes.k: .*found 'many'"),
        ("[1, 2]", "expected a mapping in .*mine.yaml, found list"),
        ("a: [", "expected YAML in .*mine.yaml"),
        ("", "expected a mapping"),
        ("seed: 1", "videos: Field required"),
        ("base: smoke", "is wrong: base: unknown key; videos: Field required"),
    ],
)
def test_a_bad_profile_file_is_one_line(
    text: str, said: str, write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(text)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said) as caught:
        load("mine.yaml")
    assert "\n" not in str(caught.value)


def test_a_missing_profile_is_one_line_with_the_names() -> None:
    with pytest.raises(ConfigError, match=r"clips.*shell.*smoke.*found 'schell'"):
        load("schell")


@pytest.mark.integration
def test_the_command_prints_the_line_and_exits_2() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "storm.cli", "status", "--profile", "shell", "--set", "nosuch=1"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == "error: the profile 'shell' is wrong: nosuch: unknown key\n"


def test_a_profile_changes_only_some_values_of_the_one_it_extends(write: Any) -> None:
    below = load("shell")
    config = load(write("extends: shell\nseed: 7\nvideos: {counts: {train: 5}}\n"))
    assert config.name == "mine"
    assert config.seed == 7
    assert config.videos == below.videos.model_copy(
        update={"counts": below.videos.counts.model_copy(update={"train": 5})}
    )
    assert config.training == below.training
    assert config.arms["direct"].seed == 7, "an arm follows the profile"


def test_extends_over_two_files(write: Any) -> None:
    middle = write("extends: smoke\nseed: 1\noption_orders: 3\n", "middle")
    config = load(write(f"extends: {middle}\nseed: 2\n"))
    assert (config.seed, config.option_orders) == (2, 3)
    assert config.training == load("smoke").training
    assert {arm.option_orders for arm in config.arms.values()} == {3}


def test_another_kind_replaces_the_section(write: Any) -> None:
    path = write("extends: clips\ngenerator: {kind: keyframes, frames: 9, fps: 4}\n")
    generator = load(path, ["videos.questions=q.json"]).generator
    assert (generator.kind, generator.frames) == ("keyframes", 9)


def test_overrides_set_values_and_whole_sections() -> None:
    config = load(
        "shell",
        ["videos.counts.train=3", "seed=4", "generator={kind: keyframes, frames: 8, fps: 2.0}"],
    )
    assert (config.videos.counts.train, config.seed) == (3, 4)
    assert config.videos.counts.test == load("shell").videos.counts.test
    assert (config.generator.kind, config.generator.frames) == ("keyframes", 8)


def test_an_arm_is_the_profile_with_some_values_changed() -> None:
    changes = "{role: control, keyframes: {k: 3}, training: {targets_from: mean}}"
    config = load("smoke", [f"arms.other={changes}", "arms.direct=null"])
    assert set(config.arms) == {"shuffled", "other"}
    arm = config.arms["other"]
    assert (arm.name, arm.role, arm.keyframes.k) == ("other", "control", 3)
    assert arm.training.targets_from == "mean"
    assert arm.training.stage_one == config.training.stage_one
    assert arm.interventions == ("none",), "interventions are the profile's alone"
    assert load("smoke", ["arms.plain={}"]).arms["plain"].role == "ablation"

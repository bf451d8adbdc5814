"""A teacher that errs: as often as it is told, the same every time, and not by default."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from pydantic import ValidationError
from teacher_requests import NO_SETUP

from storm.artifacts.stage import canonical
from storm.shell_game.mistakes import confuse, replace_swaps
from storm.shell_game.scene import Look, World, sample_scenes
from storm.shell_game.script import Script, parse_script, script_of, write_script
from storm.shell_game.teacher import ShellTeacher
from storm.testing import make_teacher_request

WORLD = World()
SCRIPTS = {
    f"q{i}": script_of(s, WORLD) for i, s in enumerate(sample_scenes(WORLD, "train", 300, 0))
}


def wrong(share: float, seed: int = 0) -> list[tuple[str, int]]:
    """The question and the beat of each wrong swap."""
    found = []
    for name, script in SCRIPTS.items():
        said = replace_swaps(script, share, seed, name)
        assert dataclasses.replace(said, beats=script.beats) == script
        assert parse_script(write_script(said)) == said
        beats = enumerate(zip(said.beats, script.beats, strict=True))
        found += [(name, beat) for beat, (a, b) in beats if a != b]
    return found


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4])
def test_swaps_are_wrong_as_often_as_told(share: float) -> None:
    found = len(wrong(share)) / (8 * len(SCRIPTS))
    assert abs(found - share) < 4 * (share * (1 - share) / (8 * len(SCRIPTS))) ** 0.5


def test_no_swap_or_every_swap() -> None:
    assert wrong(0.0) == []
    assert len(wrong(1.0)) == 8 * len(SCRIPTS)
    beats = {replace_swaps(SCRIPTS["q0"], 1.0, seed, "q0").beats[0] for seed in range(60)}
    assert beats == set(WORLD.pairs) - {SCRIPTS["q0"].beats[0]}, "any other swap"


def test_mistakes_follow_from_seed_and_question() -> None:
    assert wrong(0.2) == wrong(0.2)
    assert set(wrong(0.1)) < set(wrong(0.2)), "more mistakes are added to fewer"
    assert wrong(0.2) != wrong(0.2, seed=1)
    script = SCRIPTS["q0"]
    assert len({replace_swaps(script, 0.5, 0, f"q{i}").beats for i in range(50)}) > 30


def test_a_rest_is_never_wrong() -> None:
    rests = dataclasses.replace(SCRIPTS["q0"], beats=(None,) * 8)
    assert replace_swaps(rests, 1.0, 0, "q0") == rests
    assert confuse(rests, (1, 2), (3, 4)) == rests


def test_two_swaps_are_always_confused() -> None:
    look = Look((0, 0, 0), (1, 1, 1), (2, 2, 2))
    script = Script(4, 1, ((1, 2), None, (3, 4), (1, 3), (1, 2)), look)
    assert confuse(script, (1, 2), (3, 4)).beats == ((3, 4), None, (1, 2), (1, 3), (3, 4))


class Sure(ShellTeacher):
    """Sees the same game in every video."""

    def read(self, *seen: Any) -> Script:
        return SCRIPTS["q0"]


def said(**settings: Any) -> Script:
    teacher = Sure(ShellTeacher.Config(**settings))
    (row,) = teacher.write([make_teacher_request("q7")])
    return parse_script(row.prompt)  # pyright: ignore[reportAttributeAccessIssue]


def test_the_teacher_errs_as_configured() -> None:
    script = SCRIPTS["q0"]
    assert ShellTeacher.Config().build(NO_SETUP).config == ShellTeacher.Config()
    assert said() == script
    assert said(wrong_swaps=0.4, seed=3) == replace_swaps(script, 0.4, 3, "q7")
    two = script.beats[0], next(p for p in WORLD.pairs if p != script.beats[0])
    assert said(confuses=two) == confuse(script, *two)  # type: ignore[arg-type]
    both = replace_swaps(confuse(script, *two), 0.4, 0, "q7")  # type: ignore[arg-type]
    assert said(confuses=two, wrong_swaps=0.4) == both


def test_only_what_a_script_depends_on_is_identity() -> None:
    """So that scripts without mistakes keep the recipe that they had before there were any."""
    plain = {"kind": "shell", "beat_seconds": 0.5}
    assert canonical(ShellTeacher.Config()) == plain
    assert canonical(ShellTeacher.Config(seed=5)) == plain
    assert canonical(ShellTeacher.Config(wrong_swaps=0.2)) == {
        **plain,
        "wrong_swaps": 0.2,
        "seed": 0,
    }
    swaps = ((2, 1), (3, 4))
    assert canonical(ShellTeacher.Config(confuses=swaps, seed=5)) == {
        **plain,
        "confuses": [[1, 2], [3, 4]],
    }


@pytest.mark.parametrize(
    "settings",
    [{"wrong_swaps": 1.2}, {"confuses": [[1, 1], [2, 3]]}, {"confuses": [[0, 1], [2, 3]]}],
)
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ShellTeacher.Config(**settings)

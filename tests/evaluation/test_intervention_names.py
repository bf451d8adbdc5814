"""A profile's interventions are checked before anything is made."""

from __future__ import annotations

import re

import pytest

from storm.errors import ConfigError
from storm.evaluation.intervention_names import check_intervention, number_of, of_each_step
from storm.student.named_interventions import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_may_name_every_intervention(name: str) -> None:
    name = re.sub(":[A-Z]+", ":3", name)
    assert check_intervention(name) == name


def test_a_profile_may_name_an_import_path() -> None:
    path = "storm.student.interventions:Zero"
    assert check_intervention(path) == path


@pytest.mark.parametrize(
    "name",
    ["", "zeros", "noise:x", "truncate", "zero:1", "patch:0", "patch:x", "sweeps:0"],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="truncate:N"):
        check_intervention(name)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no.such.module:Zero", "found ModuleNotFoundError: No module named 'no'"),
        ("os:", "found AttributeError"),
        ("storm.student.interventions:Zeros", "found AttributeError: .*'Zeros'"),
        ("storm.student.interventions:Replace", "without arguments, found TypeError: .*'latents'"),
        ("builtins:dict", "expected a class of Intervention .*found one of dict"),
    ],
)
def test_an_import_path_that_gives_no_intervention_says_why(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_intervention(path)


def test_patch_and_sweeps_stand_for_one_at_each_step() -> None:
    names = ("none", "patch", "sweeps:9", "sweeps", "patch:2", "zero", "none")
    written = ("none", "patch:1", "patch:2", "sweeps:9", "sweeps:1", "sweeps:2", "zero")
    assert of_each_step(names, 2) == written
    assert of_each_step(("patch", "sweeps", "none"), 0) == ("none",)
    assert all(check_intervention(name) == name for name in (*names, *written))
    with pytest.raises(ConfigError, match="expected patch:1 to patch:2 for K = 2, found 'patch:3'"):
        of_each_step(("none", "patch:3"), 2)


def test_the_number_of_an_intervention() -> None:
    assert number_of("patch", "patch:12") == 12
    for other in ("patch", "patch:", "sweeps:12", "patch:x", "a.b:patch"):
        assert number_of("patch", other) is None

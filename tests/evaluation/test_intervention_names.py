"""A profile's interventions are checked before anything is made."""

from __future__ import annotations

import pytest

from storm.evaluation.intervention_names import check_intervention
from storm.student.interventions import NAMES


@pytest.mark.parametrize("name", [n for n in NAMES if n != "oracle"])
def test_a_profile_may_name_every_intervention(name: str) -> None:
    name = name.replace(":SEED", ":3").replace(":N", ":2")
    assert check_intervention(name) == name


def test_a_profile_may_name_an_import_path() -> None:
    path = "storm.student.interventions:Zero"
    assert check_intervention(path) == path


@pytest.mark.parametrize("name", ["", "zeros", "oracle", "noise:x", "truncate", "zero:1"])
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

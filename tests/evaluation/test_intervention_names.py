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


@pytest.mark.parametrize(
    "name", ["", "zeros", "oracle", "noise:x", "truncate", "zero:1", "no.such.module:Zero", "os:"]
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="truncate:N"):
        check_intervention(name)

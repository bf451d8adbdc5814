"""The table of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storm.errors import NotSealed
from storm.profiles import Run
from storm.report.results import read_results, results_table

STORM: dict[str, Any] = {
    "accuracy": 0.9,
    "ci95": [0.85, 0.95],
    "n": 100,
    "interventions": {"zero": {"accuracy": 0.25}, "swap": {"accuracy": 0.1, "follows_donor": 0.8}},
    "variants": {
        "16 swaps": {"accuracy": 0.5, "ci95": [0.4, 0.6], "n": 50},
        "4 swaps": {"accuracy": 1.0, "ci95": [0.9, 1.0], "n": 50},
    },
}


def test_the_table_has_a_row_for_each_arm_intervention_and_variant() -> None:
    assert results_table({"arms": {"storm": STORM}, "chance": 0.25}) == [
        ["arm", "accuracy %", "95 % interval", "questions"],
        ["storm", "90.0", "85.0 to 95.0", "100"],
        ["  latents zero", "25.0", "", ""],
        ["  latents swap", "10.0", "", ""],
        ["  latents swap: answer follows the donor", "80.0", "", ""],
        ["  at 4 swaps", "100.0", "90.0 to 100.0", "50"],
        ["  at 16 swaps", "50.0", "40.0 to 60.0", "50"],
        ["chance", "25.0", "", ""],
    ]


def test_missing_results_name_the_command_that_makes_them(tmp_path: Path) -> None:
    run = Run.open(tmp_path, "smoke", ["seed=3"])
    with pytest.raises(NotSealed, match=r"storm run --profile smoke --root .* --set seed=3"):
        read_results(run)

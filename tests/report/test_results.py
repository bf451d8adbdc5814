"""The table of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storm.errors import NotSealed
from storm.profiles import Run
from storm.report.results import read_results, results_table, results_tables


def shares(accuracy: float, n: int) -> dict[str, Any]:
    return {"accuracy": accuracy, "ci95": [accuracy - 0.05, accuracy + 0.05], "n": n}


STORM: dict[str, Any] = {
    "accuracy": 0.9,
    "ci95": [0.85, 0.95],
    "n": 100,
    "interventions": {
        "patch:1": {**shares(0.2, 100), "follows_donor": {**shares(0.7, 100), "share": 0.7}},
        "patch:10": shares(0.3, 100),
        "patch:2": {
            **shares(0.25, 100),
            "follows_donor": {**shares(0.6, 90), "share": 0.6},
            "follows_donor_if_other": {**shares(0.5, 60), "share": 0.5},
        },
        "sweeps:1": {**shares(0.26, 100), "guess_accuracy": 0.25},
        "sweeps:2": shares(0.5, 100),
        "zero": shares(0.25, 100),
        "swap": {**shares(0.1, 100), "follows_donor": {**shares(0.8, 100), "share": 0.8}},
    },
}


def test_the_table_has_a_row_for_each_arm_and_intervention() -> None:
    assert results_table({"arms": {"storm": STORM}, "chance": 0.25}) == [
        ["arm", "accuracy %", "95 % interval", "questions"],
        ["storm", "90.0", "85.0 to 95.0", "100"],
        [
            "  one latent patched: answer follows, of 2 slots at least",
            *("60.0", "55.0 to 65.0", "90"),
        ],
        ["  latents zero", "25.0", "20.0 to 30.0", "100"],
        ["  latents swap", "10.0", "5.0 to 15.0", "100"],
        ["  latents swap: answer follows the donor", "80.0", "75.0 to 85.0", "100"],
        ["chance", "25.0", "", ""],
    ]


def test_patches_and_sweeps_have_tables_of_their_own() -> None:
    results = {"arms": {"storm": STORM, "direct": shares(0.25, 100)}, "chance": 0.25}
    arms, patches, sweeps = results_tables(results)
    assert arms == results_table(results)
    follows, other = ("60.0", "55.0 to 65.0", "90"), ("50.0", "45.0 to 55.0", "60")
    assert patches == [
        [
            *("storm: slot patched", "answer follows %", "95 % interval", "questions"),
            *("if it is another %", "95 % interval", "questions", "own answer %"),
        ],
        ["1", "70.0", "65.0 to 75.0", "100", "", "", "", "20.0"],
        ["2", *follows, *other, "25.0"],
        ["10", "", "", "", "", "", "", "30.0"],
    ]
    assert sweeps == [
        ["storm: sweeps", "accuracy %", "95 % interval", "questions", "best guesser %"],
        ["1", "26.0", "21.0 to 31.0", "100", "25.0"],
        ["2", "50.0", "45.0 to 55.0", "100", ""],
    ]


def test_missing_results_name_the_command_that_makes_them(tmp_path: Path) -> None:
    run = Run.open(tmp_path, "smoke", ["seed=3"])
    with pytest.raises(NotSealed, match=r"storm run --profile smoke --root .* --set seed=3"):
        read_results(run)

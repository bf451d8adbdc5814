"""The verdict says yes only where every kind of evidence does."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from storm.evaluation.verdict import verdict, verdict_lines

SHARE = {"share": 0.98, "ci95": [0.95, 1.0], "n": 100}


def difference(against: str, value: float, p: float = 0.001, **more: Any) -> dict[str, Any]:
    ends = [value - 0.05, value + 0.05]
    usual = {"arm": "storm", "condition": "none", "n": 100, "clusters": 50}
    return {**usual, "against": against, "value": value, "ci95": ends, "p": p, **more}


@pytest.fixture
def results() -> dict[str, Any]:
    interventions = {
        "patch:1": {"accuracy": 0.3, "follows_donor": {**SHARE}},
        "patch:2": {"accuracy": 0.3, "follows_donor": {**SHARE, "share": 0.9, "ci95": [0.8, 1.0]}},
        "swap": {"accuracy": 0.3, "follows_donor": {**SHARE}},
    }
    roles = {"direct": "direct", "pads": "dummy", "queries": "dummy", "mean": "control"}
    arms = {name: {"role": role, "accuracy": 0.3} for name, role in roles.items()}
    arms["cot"] = {"role": "rival", "accuracy": 1.0}
    storm = {"role": "main", "accuracy": 0.99, "interventions": interventions}
    differences = [
        difference("direct", 0.69),
        difference("direct", 0.7, condition="oracle"),
        difference("pads", 0.68),
        difference("queries", 0.5),
        difference("mean", 0.6),
        difference("cot", -0.01, p=1.0),
    ]
    return {"arms": {"storm": storm, **arms}, "differences": differences, "chance": 0.25}


def test_all_evidence_together_says_yes(results: dict[str, Any]) -> None:
    found = verdict(results)
    assert found.ceiling is not None
    assert found.reached is not None
    assert found.bypass is not None
    assert [g.value for g in (found.ceiling, found.reached, found.bypass)] == [0.7, 0.69, 0.5]
    assert found.bypass.against == "queries", "the best dummy"
    assert (found.beaten, found.not_beaten) == (("direct", "pads", "queries", "mean"), ())
    assert set(found.checks.values()) == {True}
    assert found.sentence.startswith("reasons through its latents")
    lines = verdict_lines(results)
    assert lines[0] == "ceiling:  +70.0 (+65.0 to +75.0), oracle latents minus direct"
    assert lines[-1] == f"verdict:  the student {found.sentence}"


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda r: set_share(r, "patch:2"), "patched slots"),
        (lambda r: set_share(r, "swap"), "swapped latents"),
        (lambda r: r["differences"][4].update(p=0.2), "the other arms"),
        (lambda r: r["differences"][2].update(value=-0.2), "the other arms"),
    ],
)
def test_one_piece_of_evidence_against_it_says_no(
    results: dict[str, Any], change: Any, check: str
) -> None:
    changed = copy.deepcopy(results)
    change(changed)
    found = verdict(changed)
    assert [name for name, holds in found.checks.items() if not holds] == [check]
    assert found.sentence == f"does not reason through its latents, as {check} say"


def set_share(results: dict[str, Any], name: str) -> None:
    found = results["arms"]["storm"]["interventions"][name]
    found["follows_donor"].update(share=0.5, ci95=[0.4, 0.6])


def test_what_was_not_measured_is_said(results: dict[str, Any]) -> None:
    del results["arms"]["storm"]["interventions"]
    results["differences"] = [difference("direct", 0.69)]
    found = verdict(results)
    assert (found.ceiling, found.bypass) == (None, None)
    assert set(found.checks.values()) == {None}
    assert found.sentence == (
        "no verdict: patched slots, swapped latents and the other arms not measured"
    )
    assert verdict_lines(results)[2] == "bypass:   not measured"


def test_few_clusters_decide_nothing(results: dict[str, Any]) -> None:
    for one in results["differences"]:
        one["clusters"] = 9
    found = verdict(results)
    assert found.checks["the other arms"] is None
    assert not found.beaten

"""Results of several seeds become one comparison."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from storm.errors import ConfigError
from storm.evaluation.results import ArmLabel, ResultsStage
from storm.evaluation.study import study_of
from storm.profiles import load
from storm.profiles.loading import study_overrides
from storm.records import Prediction
from storm.report.study import study_table

STORM, DIRECT = ArmLabel(name="storm"), ArmLabel(name="direct", role="direct")
QUESTIONS = 20


def answers(seed: int, right: int) -> list[Prediction]:
    return [
        Prediction(
            id=f"{i}#none",
            question_id=str(i),
            video_id=str(i),
            cluster=f"{seed} {i}",
            intervention="none",
            response="A",
            steps=9,
            predicted="A",
            answer="A",
            correct=i < right,
            donor_answer="",
            guess_accuracy=float("nan"),
        )
        for i in range(QUESTIONS)
    ]


def finished(seed: int, storm: int, direct: int) -> Any:
    """A results stage whose predictions are told."""
    told = [
        SimpleNamespace(rows=lambda store, rows=rows: iter(rows), videos="one")
        for rows in (answers(seed, storm), answers(seed, direct))
    ]
    fields = {"arms": (STORM, DIRECT), "predictions": told, "seed": seed}
    videos = SimpleNamespace(rows=lambda store: iter(()))
    stage: Any = object.__new__(ResultsStage)
    for name, value in {**fields, "videos": videos}.items():
        object.__setattr__(stage, name, value)
    object.__setattr__(stage, "rows", lambda store: stage._scores(store))
    return stage


def test_differences_are_over_the_questions_of_all_seeds() -> None:
    nothing: Any = None
    found = study_of([(finished(0, 20, 5), nothing), (finished(1, 18, 5), nothing)])
    assert found["arms"]["storm"]["accuracy"] == [1.0, 0.9]
    assert found["arms"]["direct"]["accuracy"] == [0.25, 0.25]
    (difference,) = found["differences"]
    assert (difference["n"], difference["clusters"]) == (40, 40)
    assert difference["value"] == pytest.approx(0.7)
    assert difference["ci95"][0] < 0.7 < difference["ci95"][1]
    assert difference["p"] < 0.001
    rows = study_table(found)
    assert len({len(row) for row in rows}) == 1
    assert rows[1][:4] == ["storm", "main", "95.0", "100.0, 90.0"]
    assert rows[2][5] == "+70.0"


def test_the_arms_of_the_study_join_those_of_the_run() -> None:
    usual, study = load("shell"), load("shell", study_overrides("shell"))
    assert study.arms.keys() == usual.arms.keys() | usual.study.keys()
    assert study.arms["cot"] == usual.study["cot"]
    chosen = load("shell", study_overrides("shell", ("cot", "direct")))
    assert chosen.arms.keys() == {*usual.arms, "cot"}
    with pytest.raises(ConfigError, match=r"expected arms of .*found \['nobody'\]"):
        study_overrides("shell", ("nobody",))

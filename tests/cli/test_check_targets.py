"""`storm check-targets`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from storm.artifacts.store import Store

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.integration
def test_targets_are_checked_without_a_training(run: Run, tmp_path: Path) -> None:
    words = ["check-targets", "--profile", "smoke", "--root", str(tmp_path)]
    code, out, errors = run(*words, "--targets", "own,mean", "--json")
    assert code == 0, errors
    own, mean = json.loads(out)
    assert (own["targets"], own["seed"], own["questions"]) == ("own", 0, 4)
    assert own["verdict"] == "can't say"
    assert "4 clusters of questions are under 10" in own["why"]
    assert (mean["targets"], mean["verdict"]) == ("mean", "no")
    assert mean["explained_by_input"] is None
    for way in mean["ways"].values():
        assert way["over"]["mean"]["value"] == way["over"]["swap"]["value"] == 0
    assert own["ways"] != mean["ways"]

    made = {artifact.stage for artifact in Store(tmp_path).all()}
    assert made == {
        "base",
        "videos",
        "keyframes",
        "thought_prompts",
        "thought_videos",
        "latent_targets",
        "video_features",
        "target_scores",
    }
    code, out, errors = run(*words)
    assert (code, errors) == (0, ""), "everything was made before"
    assert out.startswith("targets own, seed 0\nquestions  4 of 4 clusters\n")
    assert "worth training on: can't say (4 clusters of questions are under 10)" in out


def test_what_cant_be_checked_is_refused_in_one_line(run: Run, tmp_path: Path) -> None:
    words = ["check-targets", "--profile", "shell", "--root", str(tmp_path), "--targets"]
    for name, problem in (("nope", "expected targets of ['own'"), ("markers", "K = 0")):
        code, out, errors = run(*words, name)
        assert (code, out) == (64, "") or code != 0
        assert problem in errors
        assert errors.count("\n") == 1
    assert not list(Store(tmp_path).all())


@pytest.mark.integration
def test_a_set_without_validation_questions_says_what_to_do(run: Run, tmp_path: Path) -> None:
    changes = [f"videos.counts.{split}={n}" for split, n in (("base", 0), ("val", 0))]
    settings = [word for change in changes for word in ("--set", change)]
    code, _, errors = run("check-targets", "--profile", "smoke", "--root", str(tmp_path), *settings)
    assert code != 0
    assert "expected questions of the split `val` to check targets with, found none" in errors

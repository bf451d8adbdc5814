"""The stage `evaluations`: what is asked, kept and named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from journals import replay

from storm.artifacts.make import count_pending, execute
from storm.artifacts.store import Store
from storm.benchmarks.benchmark import get_benchmark
from storm.evaluation import batching
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.summary import summarize
from storm.runtime import Runtime
from storm.student import AnswerConfig, Question, Student
from tests.benchmarks import folders, letter_student
from tests.benchmarks.letter_student import SAMPLING
from tests.evaluation.builders import make_here, stage_of, timed


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every prompt that the model was asked from here on."""
    prompts: list[str] = []
    real = batching.replies_to

    def counted(answering: Any, questions: Any) -> Any:
        prompts.extend(question.text for question in questions)
        return real(answering, questions)

    monkeypatch.setattr(batching, "replies_to", counted)
    return prompts


@pytest.mark.integration
@pytest.mark.parametrize("mode", ["latent", "direct", "cot"])
def test_responses_are_the_students_own(
    checkpoint: Path, data: Path, tmp_path: Path, mode: Any
) -> None:
    stage, store = stage_of(checkpoint, data, mode=mode, max_new_tokens=3), Store(tmp_path)
    make_here(stage, store)
    rows = {row.id: row for row in stage.rows(store)}
    assert sorted(rows) == [f"{v}-{n}" for v in range(3) for n in range(2)]
    student = Student.from_pretrained(checkpoint)
    questions = [q for q in stage.query.questions().values() if q.id in rows]
    prompts = [get_benchmark("videomme").prompts["lmms_eval"](q, None).text for q in questions]
    predictor = AnswerConfig(mode=mode, max_new_tokens=3).build(student)
    given = [Question(p, (q.video,), raw=True) for q, p in zip(questions, prompts, strict=True)]
    replies = list(predictor.stream(given, batch=1))
    assert [rows[q.id].response for q in questions] == [r.response for r in replies]
    if mode != "cot":  # whose prompt's end, the same for all, decides what this student says
        assert len({r.response for r in replies}) > 1
    assert [rows[q.id].prompt for q in questions] == prompts
    assert {row.frames for row in rows.values()} == {SAMPLING.frames}
    found = summarize([stage], None, store).as_json()["modes"][mode]
    assert found["n"] == len(rows)
    assert found["completeness"] == len(rows) / 2700
    reasons = {one["id"]: one["reason"] for one in found["rejected"]}
    assert reasons == {"3-0": "damaged", "3-1": "damaged"} | dict.fromkeys(
        ("4-0", "4-1"), "missing_video"
    )


@pytest.mark.integration
def test_a_stopped_run_goes_on_without_asking_twice(
    checkpoint: Path, data: Path, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, store = stage_of(checkpoint, data), Store(tmp_path / "a")
    counted, batches = batching.replies_to, []

    def stops(answering: Any, questions: Any) -> Any:
        batches.append(len(questions))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return counted(answering, questions)

    monkeypatch.setattr(batching, "replies_to", stops)
    with pytest.raises(KeyboardInterrupt):
        make_here(stage, store)
    assert len(asked) == 4, "two batches of two were answered"
    assert count_pending(stage, store) == 2
    make_here(stage, store)
    assert len(asked) == len(set(asked)) == 6
    make_here(replace(stage), alone := Store(tmp_path / "b"))
    assert list(stage.rows(store)) == list(stage.rows(alone))


@pytest.mark.integration
def test_more_questions_ask_only_those(
    checkpoint: Path, data: Path, tmp_path: Path, asked: list[str]
) -> None:
    store = Store(tmp_path)
    make_here(stage_of(checkpoint, data, limit=2), store)
    assert len(asked) == 2
    make_here(stage_of(checkpoint, data), store)
    assert len(asked) == len(set(asked)) == 6


def test_identity_is_what_is_asked_and_of_whom(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    stage = stage_of(checkpoint, data)
    moved = tmp_path / "moved"
    moved.symlink_to(data)
    same = [
        stage_of(checkpoint, moved),
        stage_of(checkpoint, data, shards=3, label="other"),
    ]
    assert {s.fingerprint() for s in same} == {stage.fingerprint()}
    other = letter_student.build(tmp_path / "other", seed=2)
    changed = [
        stage_of(other, data),
        stage_of(checkpoint, data, mode="direct"),
        stage_of(checkpoint, data, prompt="lmms_eval_subtitles"),
        stage_of(checkpoint, data, max_new_tokens=2),
        stage_of(
            checkpoint, data, sampling=letter_student.SAMPLING.model_copy(update={"fps": 1.0})
        ),
        stage_of(checkpoint, data, limit=3),
    ]
    assert len({s.fingerprint() for s in [stage, *changed]}) == 1 + len(changed)


def own(checkpoint: Path, folder: Path, texts: dict[str, str]) -> EvaluationStage:
    """Questions of one's own, on one video."""
    rows = [
        {"id": name, "video": "v.mp4", "question": text, "options": ["x", "y"], "answer": "A"}
        for name, text in texts.items()
    ]
    folders.as_json(folder / "own.json", rows)
    folders.video(folder / "v.mp4")
    return stage_of(checkpoint, folder / "own.json", kind="own", prompt="student")


def test_what_the_student_refuses_is_named_and_the_rest_is_answered(
    checkpoint: Path, tmp_path: Path
) -> None:
    fine = {f"fine {n}": f"Which {n}?" for n in range(3)}
    texts = {"long": "long " * 5000, "odd": "<|im_end|>", **fine}
    stage = own(checkpoint, tmp_path, texts)
    store = Store(tmp_path / "root")
    make_here(stage, store)
    assert sorted(row.id for row in stage.rows(store)) == list(fine)
    details = {q["id"]: q["detail"] for q in stage.artifact(store).manifest()["quarantined"]}
    assert "tokens a row" in details["long"]
    assert "special tokens" in details["odd"]
    assert {row.n for row in timed(stage, store).values()} == {2}, "two are to warm up with"


@pytest.mark.integration
@pytest.mark.parametrize("revision", ["main", "video"])
def test_clips_and_folders_of_frames(checkpoint: Path, tmp_path: Path, revision: str) -> None:
    folders.mvbench(tmp_path / "data", revision)
    stage = stage_of(checkpoint, tmp_path / "data", kind="mvbench")
    store = Store(tmp_path / "root")
    make_here(stage, store)
    assert {row.id.split("/")[0] for row in stage.rows(store)} == {
        *("action_sequence", "state_change", "episodic_reasoning")
    }
    (refused,) = stage.artifact(store).manifest()["quarantined"]
    assert refused["reason"] == "missing_video"


@pytest.mark.integration
def test_killed_it_asks_what_is_missing(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    stage, store = stage_of(checkpoint, data), Store(tmp_path / "root")
    journal = stage.artifact(store).path / "shard-00000.journal"
    arguments = [
        *("evaluate", "--checkpoint", str(checkpoint), "--benchmark", "videomme"),
        *("--data", str(data), "--root", str(store.root), "--batch", "1"),
        *("--set", "max_new_tokens=1", "--set", "latency=0"),
    ]
    driver = subprocess.Popen(
        [sys.executable, "-m", "storm.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in poll(240):
        if journal.exists() and replay(journal, stage.row, repair=False):
            break
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    runtime = Runtime(batch=1)  # pyright: ignore[reportCallIssue] - batches change the last bits
    events: list[Any] = []
    execute(stage, store, runtime, events.append)
    resumed = next(e["resumed"] for e in events if "resumed" in e)
    ended = [e["end"] for e in events if "end" in e]
    answered = 6 + 2 - resumed  # the two that can't be read are tried again
    assert resumed >= 1
    assert len(ended) == len(set(ended)) == answered
    make_here(replace(stage), alone := Store(tmp_path / "alone"), runtime)
    assert list(stage.rows(store)) == list(stage.rows(alone))
    assert summarize([stage], None, store).as_json() == summarize([stage], None, alone).as_json()


def poll(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.01)
    raise AssertionError(f"nothing was answered in {seconds} s")

"""Evaluations: what is asked, what is kept, what is named; and the command around them."""

from __future__ import annotations

import json
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

from storm.artifacts import make as execution
from storm.artifacts.make import count_pending, execute, plan, seal, shard_work
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.types import DatasetLocation
from storm.cli import main
from storm.evaluation import evaluations as evaluation
from storm.evaluation.checkpoints import CheckpointFolder
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import PARTS, LatencyStage
from storm.evaluation.query import BenchmarkQuery
from storm.evaluation.summary import summarize
from storm.records import Latency
from storm.runtime import Runtime
from storm.student import Student
from tests.benchmarks import folders, talker
from tests.benchmarks.docs import doc_of

RUNTIME = Runtime(batch=2)  # pyright: ignore[reportCallIssue]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talker.build(tmp_path_factory.mktemp("talker"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """VideoMME's layout: ten questions on five videos; one is missing, one is cut off."""
    root = tmp_path_factory.mktemp("videomme")
    rows = [
        doc_of(
            "videomme",
            answer="ABCD"[n % 4],
            videoID=f"v{n // 2}",
            question_id=f"{n // 2}-{n % 2}",
            question="What is shown? " * (1 + n),
        )
        for n in range(10)
    ]
    folders.parquet(root / "videomme/test-00000-of-00001.parquet", rows)
    for number in range(4):
        folders.video(root / f"data/v{number}.mp4")
    cut = root / "data/v3.mp4"
    cut.write_bytes(cut.read_bytes()[:-400])
    return root


def stage_of(checkpoint: Path, data: Path, **changed: Any) -> EvaluationStage:
    query = {"kind": "videomme", "sampling": talker.SAMPLING, "prompt": "lmms_eval"}
    query |= {name: changed.pop(name) for name in BenchmarkQuery.model_fields if name in changed}
    fields: dict[str, Any] = {
        "checkpoint": CheckpointFolder(path=str(checkpoint)),
        "query": BenchmarkQuery(location=DatasetLocation(where=str(data)), **query),
        "dtype": "float32",
        "mode": "latent",
        "max_new_tokens": 1,
    }
    return EvaluationStage(**{**fields, **changed})


def make_here(stage: Stage[Any], store: Store, events: list[Any] | None = None) -> None:
    """As a stage is made, without the child around it."""
    events = [] if events is None else events
    for number in range(plan(stage, store).shards):
        shard_work(stage, str(store.root), RUNTIME, number, False, events.append)
    seal(stage, store)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every prompt that the model was asked from here on."""
    prompts: list[str] = []
    real = evaluation.replies_to

    def counted(answering: Any, questions: Any) -> Any:
        prompts.extend(question.text for question in questions)
        return real(answering, questions)

    monkeypatch.setattr(evaluation, "replies_to", counted)
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
    questions = [q for q in stage.query.questions.values() if q.id in rows]
    prompts = [get_benchmark("videomme").prompts["lmms_eval"](q, None).text for q in questions]
    replies = student.answer(
        [q.video for q in questions], prompts, mode=mode, max_new_tokens=3, raw=True, batch=1
    )
    assert [rows[q.id].response for q in questions] == [r.response for r in replies]
    if mode != "cot":  # whose prompt's end, the same for all, decides what this student says
        assert len({r.response for r in replies}) > 1
    assert [rows[q.id].prompt for q in questions] == prompts
    assert {row.frames for row in rows.values()} == {talker.SAMPLING.frames}
    found = summarize([stage], None, store).as_json()["modes"][mode]
    assert found["n"] == len(rows)
    assert found["completeness"] == len(rows) / 2700
    reasons = {one["id"]: one["reason"] for one in found["rejected"]}
    assert reasons == {"3-0": "damaged", "3-1": "damaged"} | dict.fromkeys(
        ("4-0", "4-1"), "missing_video"
    )


def test_a_stopped_run_goes_on_without_asking_twice(
    checkpoint: Path, data: Path, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, store = stage_of(checkpoint, data), Store(tmp_path / "a")
    counted, batches = evaluation.replies_to, []

    def stops(answering: Any, questions: Any) -> Any:
        batches.append(len(questions))
        if len(batches) == 3:
            raise KeyboardInterrupt
        return counted(answering, questions)

    monkeypatch.setattr(evaluation, "replies_to", stops)
    with pytest.raises(KeyboardInterrupt):
        make_here(stage, store)
    assert len(asked) == 4, "two batches of two were answered"
    assert count_pending(stage, store) == 2
    make_here(stage, store)
    assert len(asked) == len(set(asked)) == 6
    make_here(replace(stage), alone := Store(tmp_path / "b"))
    assert list(stage.rows(store)) == list(stage.rows(alone))


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
    other = talker.build(tmp_path / "other", seed=2)
    changed = [
        stage_of(other, data),
        stage_of(checkpoint, data, mode="direct"),
        stage_of(checkpoint, data, prompt="lmms_eval_subtitles"),
        stage_of(checkpoint, data, max_new_tokens=2),
        stage_of(checkpoint, data, sampling=talker.SAMPLING.model_copy(update={"fps": 1.0})),
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
    assert {row.n for row in timed(stage, store).values()} == {1}, "two are to warm up with"


def test_with_a_chain_of_thought_all_modes_are_scored_unwrapped(
    checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    stages = [stage_of(checkpoint, data, mode=mode, limit=2) for mode in ("latent", "cot")]
    for stage in stages:
        make_here(stage, store)
    for chosen, unwrapped in ((stages, True), (stages[:1], False)):
        summary = summarize(chosen, None, store).as_json()["modes"]
        assert {one["unwrap_answer"] for one in summary.values()} == {unwrapped}


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


def timed(asked: EvaluationStage, store: Store) -> dict[str, Latency]:
    """Rows of the latency of both modes on the questions of an evaluation."""
    stage = LatencyStage(
        checkpoint=asked.checkpoint,
        query=asked.query,
        dtype=asked.dtype,
        modes=("latent", "direct"),
        device="cpu",
        count=3,
        max_new_tokens=(2, 2),
    )
    make_here(stage, store)
    return {row.id: row for row in stage.rows(store)}


def test_latency_has_every_part_of_every_mode(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    rows = timed(stage_of(checkpoint, data), Store(tmp_path))
    assert set(rows) == {f"{m}/{p}" for m in ("latent", "direct") for p in (*PARTS, "total")}
    assert {row.n for row in rows.values()} == {3}
    assert rows["direct/latents"].p95_seconds < rows["latent/latents"].median_seconds
    for mode in ("latent", "direct"):
        parts = [rows[f"{mode}/{part}"] for part in PARTS]
        assert rows[f"{mode}/decode"].median_seconds > 0
        assert rows[f"{mode}/total"].p95_seconds <= 1.001 * sum(p.p95_seconds for p in parts)


def command(checkpoint: Path, data: Path, root: Path, *more: Any) -> list[str]:
    return [
        *("evaluate", "--checkpoint", str(checkpoint), "--benchmark", "videomme"),
        *("--data", str(data), "--root", str(root), "--set", "max_new_tokens=1", *map(str, more)),
    ]


@pytest.mark.integration
def test_the_command_from_checkpoint_to_scores(
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In two shards and two modes; `storm score` finds the same number in each kind of file."""
    root, out = tmp_path / "root", tmp_path / "out"
    both = [*("--mode", "latent", "--mode", "direct"), *("--set", "latency=2", "--batch", 2)]
    both += ["--out", out]
    main_to(command(checkpoint, data, root, *both, "--shard", "1/2"))
    assert "other shards are pending" in capsys.readouterr().err
    assert not out.exists()
    main_to(command(checkpoint, data, root, *both, "--shard", "2/2"))
    table = capsys.readouterr().out
    assert "videomme latent" in table
    assert "p (Holm)" in table
    assert "ms at batch 1" in table

    monkeypatch.setattr(execution, "run_child", None)  # all is sealed: no model is loaded
    main_to(command(checkpoint, data, root, *both, "--json"))
    found = json.loads(capsys.readouterr().out)
    assert json.loads((out / "summary.json").read_bytes()) == found
    assert len(found["latency"]) == 2 * (len(PARTS) + 1)
    assert found["comparisons"][0]["n"] == 6
    for mode, numbers in found["modes"].items():
        (samples,) = (out / "lmms_eval" / mode).rglob("*_samples_videomme.jsonl")
        assert 0 < len(samples.read_text().splitlines()) == numbers["n"] == 6
        (results,) = (out / "lmms_eval" / mode).rglob("*_results.json")
        theirs = json.loads(results.read_bytes())["results"]["videomme"]
        score = theirs["videomme_perception_score,none"]
        assert score == pytest.approx(100 * numbers["accuracy"])
        for responses in (out / f"videomme_{mode}.jsonl", samples):
            main_to(["score", "videomme", str(responses)])
            scored = json.loads(capsys.readouterr().out.splitlines()[-1])
            assert scored["accuracy"] == numbers["accuracy"], responses
            assert scored["ci95"] == numbers["ci95"]


def main_to(arguments: list[str], code: int = 0) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert (end.value.code or 0) == code


@pytest.mark.integration
def test_killed_it_asks_what_is_missing(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    stage, store = stage_of(checkpoint, data), Store(tmp_path / "root")
    journal = stage.artifact(store).path / "shard-00000.journal"
    arguments = command(checkpoint, data, store.root, "--batch", 1, "--set", "latency=0")
    driver = subprocess.Popen(
        [sys.executable, "-m", "storm.cli", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in poll(60):
        if journal.exists() and replay(journal, stage.row, repair=False):
            break
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    events: list[Any] = []
    execute(stage, store, RUNTIME, events.append)
    resumed = next(e["resumed"] for e in events if "resumed" in e)
    ended = [e["end"] for e in events if "end" in e]
    answered = 6 + 2 - resumed  # the two that can't be read are tried again
    assert resumed >= 1
    assert len(ended) == len(set(ended)) == answered
    make_here(replace(stage), alone := Store(tmp_path / "alone"))
    assert list(stage.rows(store)) == list(stage.rows(alone))
    assert summarize([stage], None, store).as_json() == summarize([stage], None, alone).as_json()


def poll(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        time.sleep(0.01)
    raise AssertionError(f"nothing was answered in {seconds} s")


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--mode", "think"], 2, "modes.0"),
        (["--shard", "3/2"], 2, "expected --shard I/N with I from 1 to N, found '3/2'"),
        (["--set", "fps=0"], 2, "fps: "),
        (["--set", "speed=1"], 2, "speed: unknown key"),
        (["--frames", "0"], 2, "frames: "),
        (["--set", "prompt=none"], 2, "expected a prompt of videomme"),
        (["--set", "scorer=none"], 2, "expected a scorer of videomme"),
        (["--device", "cuda:1"], 2, "expected --device cpu, cuda, mps, found 'cuda:1'"),
        (["--device", "mps"], 2, "expected a device of this machine"),
        (["--data", "/nowhere"], 65, "expected the data set '/nowhere'"),
        (["--benchmark", "gone"], 2, "for storm.benchmarks, found 'gone'"),
        (["--checkpoint", "/nowhere"], 2, "checkpoint folder with a config.json"),
    ],
)
def test_wrong_use_is_one_clear_line(
    checkpoint: Path,
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    code: int,
    words: str,
) -> None:
    main_to(command(checkpoint, data, tmp_path, *more), code)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert words in captured.err
    assert captured.err.count("\n") == 1


def test_a_prompt_that_begins_the_answer_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders.mvbench(tmp_path / "data", "video")
    more = ("--benchmark", "mvbench", "--set", "prompt=mvbench_official")
    main_to(command(checkpoint, tmp_path / "data", tmp_path, *more), 2)
    assert "lets the student begin its answer" in capsys.readouterr().err

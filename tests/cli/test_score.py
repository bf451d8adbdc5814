"""`storm score`: every line is scored or named, in every layout that responses come in."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.lmms_files import write_lmms_files
from storm.benchmarks.responses import read_responses
from storm.benchmarks.scoring import score
from storm.benchmarks.types import AnsweredQuestion
from storm.cli import main
from tests.benchmarks.docs import caption_doc, doc_of


def lines(path: Path, rows: Iterable[Any]) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def line(id: Any, response: Any, name: str = "videomme", task: str = "", **columns: Any) -> Any:
    row = {"id": id, "doc": doc_of(name, **columns), "response": response}
    return {**row, "task": task} if task else row


def run(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, what standard output holds as JSON lines, standard error."""
    try:
        main(["score", *map(str, arguments)])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    captured = capsys.readouterr()
    return code, [json.loads(one) for one in captured.out.splitlines()], captured.err


def test_lines_in_lines_out_then_the_aggregate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "r.jsonl", [line("a", "A"), line("b", "<think>A</think> B")])
    code, out, table = run(capsys, "videomme", path)
    assert code == 0
    assert out[:2] == [
        {"id": "a", "extracted": "A", "score": 1.0},
        {"id": "b", "extracted": "B", "score": 0.0},
    ]
    assert (out[2]["accuracy"], out[2]["n"], out[2]["match_rate"]) == (0.5, 2, 1.0)
    assert out[2]["harness_metrics"] == {"videomme/videomme_perception_score": 50.0}
    assert set(out[2]["breakdown"]) == {"duration", "domain", "sub_category", "task_type"}
    assert "duration: short" in table
    assert "2 of 2700 questions, 1 of 1 tasks" in table

    written = tmp_path / "out.jsonl"
    with contextlib.suppress(SystemExit):
        main(["score", "videomme", str(path), "--out", str(written)])
    assert [json.loads(one) for one in written.read_text().splitlines()] == out
    assert capsys.readouterr().out == table


BAD = [
    ("{", "line 1", "bad_json"),
    ("[1]", "line 1", "not_an_object"),
    ('{"id": "x", "doc": {}}', "line 1", "missing_column"),
    ('{"id": "x", "doc": {}, "response": "A"}', "x", "missing_column"),
    ('{"id": "x", "doc": 1, "response": "A"}', "line 1", "bad_value"),
    ('{"id": null, "doc": {}, "response": "A"}', "line 1", "bad_id"),
    (json.dumps(line("x", 3)), "x", "bad_response"),
    (json.dumps(line("x", ["A"])), "x", "bad_response"),
    (json.dumps(line("x", "A", answer="Z")), "x", "bad_value"),
    (json.dumps(line("good", "A")), "good", "duplicate_id"),
    ("[" * 100_000, "line 1", "bad_json"),
]


@pytest.mark.parametrize(("bad", "id", "reason"), BAD, ids=[reason for *_, reason in BAD])
def test_a_bad_line_is_named_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: str, id: str, reason: str
) -> None:
    good = json.dumps(line("good", "A"))
    order = [good, bad] if reason == "duplicate_id" else [bad, good]
    code, out, table = run(capsys, "videomme", lines(tmp_path / "r.jsonl", order))
    assert (code, len(out)) == (0, 2)
    (refused,) = out[-1]["rejected"]
    assert (refused["id"], refused["reason"]) == (id, reason)
    assert f"{reason}: 1" in table


@pytest.mark.parametrize("response", [None, "", "  \n", "<think>x</think>"])
def test_an_empty_response_is_wrong_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], response: str | None
) -> None:
    path = lines(tmp_path / "r.jsonl", [line("a", "A"), line("b", response)])
    _, out, table = run(capsys, "videomme", path)
    assert out[1] == {"id": "b", "extracted": "", "score": 0.0}
    assert (out[2]["n"], out[2]["accuracy"], out[2]["empty"]) == (2, 0.5, ["b"])
    assert "empty responses: 1" in table


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "found none: no lines"), ("{\n", "line 1: "), (None, "expected a file of responses")],
)
def test_a_file_without_responses_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, words: str
) -> None:
    path = tmp_path / "r.jsonl"
    if content is not None:
        path.write_text(content)
    code, out, error = run(capsys, "videomme", path)
    assert (code, out, error.count("\n")) == (65, [], 1)
    assert words in error


def test_a_wrong_option_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = lines(tmp_path / "r.jsonl", [line("a", "A")])
    for options, words in (
        (["mme", path], "for storm.benchmarks, found 'mme'"),
        (["videomme", path, "--scorer", "x"], "expected a scorer of videomme: lmms_eval"),
        (["videomme", path, "--judge-url", "nowhere"], "--judge-url: "),
        (["videomme", path, "--judge-url", "http://127.0.0.1:1/v1"], "--judge-model: "),
    ):
        code, out, error = run(capsys, *options)
        assert (code, out, error.count("\n")) == (2, [], 1)
        assert words in error


@pytest.mark.parametrize("name", ["videomme", "mvbench", "multi-choice", "yes_no", "mmvu"])
def test_columns_that_no_score_hangs_on_may_be_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    needed = ("question", "options", "candidates", "answer", "question_type", "choices")
    doc = {column: value for column, value in doc_of(name).items() if column in needed}
    path = lines(tmp_path / "r.jsonl", [{"id": "1", "doc": doc, "response": doc["answer"]}])
    said = "tempcompass" if name in ("multi-choice", "yes_no") else name
    _, out, _ = run(capsys, said, path)
    assert (out[-1]["n"], out[-1]["rejected"]) == (1, [])
    for parts in out[-1]["breakdown"].values():
        assert set(parts) <= {"unknown", "other", "all"}


def test_tasks_are_named_or_told_from_the_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        line("1", "A", "multi-choice"),
        line("2", "yes", "yes_no"),
        {"id": "3", "doc": caption_doc(1), "response": "Caption B"},
        line("4", "A red ball rolls.", "captioning"),
        line("5", "hm", "multi-choice", task="tempcompass_multi_choice"),
        line("6", "A", "multi-choice", task="nope"),
    ]
    _, out, _ = run(capsys, "tempcompass", lines(tmp_path / "r.jsonl", rows))
    assert [one["score"] for one in out[:-1]] == [1, 1, 1, None, 0]
    found = out[-1]
    assert (found["n"], found["not_scored"], found["tasks_present"]) == (4, 1, 4)
    assert (found["accuracy"], found["match_rate"]) == (0.75, 0.75)
    assert found["breakdown"]["task"]["captioning"] == {
        "accuracy": None,
        "ci95": [None] * 2,
        "n": 0,
    }
    assert [one["id"] for one in found["rejected"]] == ["6"]


def test_official_prediction_files_of_tempcompass(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doc = caption_doc(0)
    entry = {"question": doc["question"], "answer": doc["answer"], "prediction": "Caption A."}
    path = tmp_path / "caption_matching.json"
    path.write_text(json.dumps({"123": {"action": [entry, {**entry, "prediction": None}]}}))
    _, out, _ = run(capsys, "tempcompass", path)
    assert [(one["id"], one["score"]) for one in out[:-1]] == [
        ("caption_matching/0", 1),
        ("caption_matching/1", 0),
    ]
    assert list(out[-1]["breakdown"]) == ["caption_matching by dim"]


def test_two_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ids = range(40)
    right = lines(tmp_path / "right.jsonl", [line(i, "A", videoID=f"v{i}") for i in ids])
    wrong = lines(tmp_path / "wrong.jsonl", [line(i, "B", videoID=f"v{i}") for i in ids])
    copy = lines(tmp_path / "copy.jsonl", [right.read_text().rstrip()])
    _, out, table = run(capsys, "videomme", right, "--against", wrong, "--against", copy)
    first, second, third = out[-1]["comparisons"]
    assert (first["value"], first["significant"], first["n"]) == (1.0, True, 40)
    assert (second["value"], second["significant"]) == (0.0, False)
    assert "not significant" in table
    assert (third["first"], third["second"]) == (str(wrong), str(copy))


TASKS = {
    "videomme": [("videomme", doc_of("videomme"))],
    "mvbench": [("action_count", doc_of("mvbench")), ("state_change", doc_of("mvbench"))],
    "tempcompass": [(task, doc_of(task)) for task in ("multi-choice", "yes_no", "captioning")],
    "mmvu": [("multiple-choice", doc_of("mmvu")), ("open-ended", doc_of("mmvu_open"))],
}


@pytest.mark.parametrize("name", TASKS)
def test_what_is_written_as_lmms_eval_does_reads_back_alike(tmp_path: Path, name: str) -> None:
    """Its samples leave the columns out: they are told from its metrics and the prompt."""
    benchmark = get_benchmark(name)
    answered = [
        AnsweredQuestion(benchmark.dataset.question(f"{task}/{n}", task, doc), said)
        for task, doc in TASKS[name]
        for n, said in enumerate(["A", "<think>A</think>B", "", "yes, DFS"])
    ]
    before = score(benchmark, answered, "lmms_eval")
    _, prompt = benchmark.pick_prompt()
    prompts = {one.question.id: prompt(one.question, None).text for one in answered}
    when = datetime(2026, 8, 1, 12, 30, 5)
    path = write_lmms_files(before, tmp_path, "org/some/model", prompts, when)
    assert path == tmp_path / "some__model" / "20260801_123005_results.json"
    whole = json.loads(path.read_text())
    samples = sorted(path.parent.glob("20260801_123005_samples_*.jsonl"))
    assert {f"20260801_123005_samples_{task}.jsonl" for task in whole["results"]} == {
        one.name for one in samples
    }
    again = [one for file in samples for one in read_responses(benchmark, file)]
    after = score(benchmark, again, "lmms_eval")
    assert not after.rejected
    key = lambda one: (one.task, one.raw or "", one.score)  # noqa: E731
    assert sorted(map(key, after.scored), key=str) == sorted(map(key, before.scored), key=str)
    for printed, value in benchmark.harness.metrics("lmms_eval", before.scored).items():
        task, _, metric = printed.partition("/")
        assert whole["results"][task][f"{metric},none"] == value


def test_another_scorer_does_not_write_under_lmms_evals_names(tmp_path: Path) -> None:
    benchmark = get_benchmark("mmvu")
    answered = [AnsweredQuestion(benchmark.dataset.question("1", "", doc_of("mmvu")), "A")]
    path = write_lmms_files(score(benchmark, answered), tmp_path, "m")
    found = json.loads(path.read_text())["results"]["mmvu_val"]
    assert found["strict,none"] == 100
    assert not any(name.startswith("accuracy") for name in found)


@pytest.mark.integration
def test_scoring_loads_nothing_heavy(tmp_path: Path) -> None:
    path = lines(tmp_path / "r.jsonl", [line("a", "A")])
    code = (
        "import sys; from storm.cli import main\n"
        f"try: main(['score', 'videomme', {str(path)!r}])\n"
        "finally: print({m.partition('.')[0] for m in sys.modules}, file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert '"accuracy": 1.0' in found.stdout
    for heavy in ("torch", "transformers", "datasets", "av", "openai", "httpx2", "cv2"):
        assert f"'{heavy}'" not in found.stderr

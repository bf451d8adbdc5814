"""lmms-eval itself runs the student and agrees with our scores, in an environment of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storm.student import AnswerConfig, Question, Student
from tests.benchmarks import folders, letter_student, lmms_env

pytestmark = pytest.mark.long

TASK = """
task: storm_tiny
dataset_path: json
dataset_kwargs:
  data_files:
    test: {rows}
test_split: test
output_type: generate_until
doc_to_visual: !function storm_tiny.visual
doc_to_text: !function storm_tiny.text
doc_to_target: answer
process_results: !function storm_tiny.results
generation_kwargs:
  max_new_tokens: 4
  temperature: 0.7  # as MMVU's has it
  do_sample: false
  until: ["{until}"]
metric_list:
  - metric: right
    aggregation: mean
    higher_is_better: true
"""
FUNCTIONS = """
def visual(doc):
    return [doc["video"]]

def text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]

def results(doc, results):
    return {"right": float(results[0][:1] == doc["answer"])}
"""


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Five questions on two videos, and one on a video that isn't there."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(2):
        folders.video(folder / f"{number}.mp4")
    return [
        {
            "video": str(folder / f"{'gone' if n == 5 else n % 2}.mp4"),
            "question": " ".join(["Which cup?"] * (n + 1)),
            "answer": "ABCD"[n % 4],
        }
        for n in range(6)
    ]


@pytest.mark.parametrize(("mode", "tokens"), [("latent", 4), ("direct", 4), ("cot", 12)])
def test_a_task_runs_to_the_end(
    tmp_path: Path, rows: list[dict[str, Any]], mode: Any, tokens: int
) -> None:
    checkpoint, tasks, until = (
        letter_student.build(tmp_path / "letter_student"),
        tmp_path / "tasks",
        "CC",
    )
    tasks.mkdir()
    folders.as_json(tmp_path / "rows.json", rows)
    (tasks / "tiny.yaml").write_text(TASK.format(rows=tmp_path / "rows.json", until=until))
    (tasks / "storm_tiny.py").write_text(FUNCTIONS)
    arguments = f"pretrained={checkpoint},mode={mode},max_num_frames=4,dtype=float32,device=cpu"
    if mode == "cot":  # the task's bound doesn't hold for it
        arguments += f",max_new_tokens={tokens}"
    ran = lmms_env.run(
        *("-m", "lmms_eval", "--model", "storm", "--model_args", arguments),
        *("--tasks", "storm_tiny", "--include_path", tasks, "--batch_size", "2"),
        *("--output_path", tmp_path / "out", "--log_samples"),
    )
    assert ran.returncode == 0, ran.stderr
    assert "gone.mp4" in ran.stdout + ran.stderr, "what can't be read is named"

    student = Student.from_pretrained(checkpoint)
    predictor = AnswerConfig(mode=mode, max_new_tokens=tokens).build(student)
    questions = [Question(row["question"], (row["video"],), raw=True) for row in rows[:5]]
    replies = list(predictor.stream(questions))
    said = [r.text if mode == "cot" else r.response.partition(until)[0] for r in replies]
    expected = [*said, ""]
    if mode == "cot":  # whose prompt's end, the same for all, decides what this student says
        assert len(expected[0]) > 4, "beyond the task's bound and `until`"
    else:
        assert len(set(expected)) > 2, "the student says different things"
    (samples,) = (tmp_path / "out").rglob("*_samples_storm_tiny.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    found = {line["doc_id"]: line["filtered_resps"] for line in lines}
    assert [found[n] for n in range(6)] == [text.strip() for text in expected]
    (results,) = (tmp_path / "out").rglob("*_results.json")
    number = json.loads(results.read_bytes())["results"]["storm_tiny"]["right,none"]
    right = [text[:1] == row["answer"] for text, row in zip(expected, rows, strict=True)]
    assert number == pytest.approx(sum(right) / 6)


def test_its_scorers_agree_with_ours() -> None:
    """The property tests of test_rules that need it, which the project's environment skips."""
    ran = lmms_env.run("-m", "pytest", "-q", "tests/benchmarks/test_rules.py", "-k", "LmmsEval")
    assert ran.returncode == 0, ran.stdout
    assert "passed" in ran.stdout
    assert "skipped" not in ran.stdout

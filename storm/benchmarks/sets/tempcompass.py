"""TempCompass: four tasks that ask for the same temporal facts in four ways."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.columns import first_existing, label_of, path_inside, text_of
from storm.benchmarks.harness.tempcompass import TempCompassHarness, flatten, is_nested
from storm.benchmarks.rules.tempcompass import OPTION_WORDS, RULES
from storm.benchmarks.table_dataset import TableDataset, read_folder, read_hub
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    Prompt,
    RuleResult,
    ScoredResponse,
    Scorer,
)
from storm.videos.questions.values import BadEntry

_HUBS = ("lmms-lab/TempCompass", "lmms-eval/TempCompass")
_SIZES = {"multi-choice": 1580, "yes_no": 2453, "caption_matching": 1503, "captioning": 2004}
_BEST = "\nPlease directly give the best option:"
_ENDS = {
    "multi-choice": _BEST,
    "yes_no": "\nPlease answer yes or no:",
    "caption_matching": _BEST,
    "captioning": "",
}
_NAMES = {
    alias: task
    for task in _SIZES
    for name in (task, task.replace("-", "_"))
    for alias in (name, f"tempcompass_{name}")
}


def _prompt(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    return Prompt(question.doc["question"] + _ENDS[question.task])


def _rule(question: BenchmarkQuestion, response: str) -> RuleResult:
    return RULES[question.task](question, response)


def _tables(location: DatasetLocation) -> Iterator[tuple[str, list[Any]]]:
    for task in _SIZES:
        if location.is_folder:
            patterns = (f"{task}/test-*.parquet", f"questions/{task}.json", f"{task}.json")
            rows = read_folder(location.path, patterns)
        else:
            rows = read_hub(location, _HUBS, task, "test")
        nested = dict(row for row in rows if isinstance(row, tuple))  # of the official file
        yield task, [*flatten(nested)] if nested and is_nested(nested) else rows


def _parse(id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
    if task and task not in _NAMES:
        raise BadEntry("bad_value", f"expected a task of {sorted(_SIZES)}, found {task!r}")
    task = _NAMES[task] if task else _task_of(doc)
    text_of(doc, "question")
    gold = "mc_answer" if task == "captioning" and "mc_answer" in doc else "answer"
    return BenchmarkQuestion(
        id=id,
        task=task,
        video_id=str(doc.get("video_id") or id),
        answer=text_of(doc, gold),
        groups=((f"{task} by dim", label_of(doc, "dim")),),
        doc=doc,
    )


def _task_of(doc: Mapping[str, Any]) -> str:
    """Tell a row's task from its columns."""
    answer = str(doc.get("answer"))
    if "mc_answer" in doc or "Generated Caption" in str(doc.get("question")):
        return "captioning"
    if answer in ("yes", "no"):
        return "yes_no"
    return "caption_matching" if answer.startswith(OPTION_WORDS) else "multi-choice"


def _locate(question: BenchmarkQuestion, location: DatasetLocation) -> BenchmarkQuestion:
    root = location.video_root("tempcompass")
    path = path_inside(root, "videos", f"{text_of(question.doc, 'video_id')}.mp4")
    return replace(question, video=first_existing([path], "a video"))


def _without_captions(scored: Sequence[ScoredResponse]) -> Sequence[float]:
    """Restrict the headline to the three tasks that rules score."""
    return [float(r.score is not None and r.task != "captioning") for r in scored]


BENCHMARK = Benchmark(
    name="tempcompass",
    dataset=TableDataset(
        layout="<task>/test-*.parquet or questions/<task>.json",
        tables=_tables,
        parse=_parse,
        locate=_locate,
    ),
    sizes=_SIZES,
    prompts={"lmms_eval": _prompt},
    max_new_tokens=128,  # lmms-eval names none: captions and whole sentences fit
    scorers={"lmms_eval": Scorer(_rule, about="exact forms by task; else a judge")},
    weights=_without_captions,
    harness=TempCompassHarness(),
)

"""VideoMME: 2,700 questions with four options on 900 videos, with or without subtitles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.columns import (
    first_existing,
    label_of,
    letter_of,
    path_inside,
    text_of,
    texts_of,
)
from storm.benchmarks.harness.videomme import VideoMMEHarness
from storm.benchmarks.rules.answer_letters import (
    OFFICIAL_PREFIXES,
    VLMEVALKIT_PREFIXES,
    first_capital,
    priority_letter,
)
from storm.benchmarks.rules.subtitles import subtitles_at
from storm.benchmarks.table_dataset import TableDataset, read_folder, read_hub
from storm.benchmarks.types import BenchmarkQuestion, DatasetLocation, Prompt, RuleResult, Scorer

_HUBS = ("lmms-lab/Video-MME", "lmms-eval/Video-MME")
_LETTERS = "ABCD"
_AXES = ("duration", "domain", "sub_category", "task_type")
_FIRST = (
    "Select the best answer to the following multiple-choice question based on the video and the "
    "subtitles. Respond with only the letter (A, B, C, or D) of the correct option."
)
_LAST = "Answer with the option's letter from the given choices directly."


def _question_text(question: BenchmarkQuestion) -> str:
    return "\n".join([_FIRST, question.doc["question"], *question.doc["options"]])


def _plain(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    return Prompt(f"{_question_text(question)}\n\n{_LAST}")


def _with_subtitles(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
    if question.subtitle is None:
        subtitles = "No subtitles available"
    else:
        subtitles = subtitles_at(question.subtitle, pts_seconds)
    head = f"This video's subtitles are listed below: \n{subtitles}"
    return Prompt(f"{head}\n{_question_text(question)}\nThe best answer is:")


def _scorer(about: str, extract: Callable[[str], str]) -> Scorer:
    def rule(question: BenchmarkQuestion, response: str) -> RuleResult:
        letter = extract(response)
        return RuleResult(letter, float(letter == question.answer), bool(letter))

    return Scorer(rule, about=about)


def _tables(location: DatasetLocation) -> Iterator[tuple[str, list[Any]]]:
    if location.is_folder:
        patterns = ("videomme/test-*.parquet", "test-*.parquet", "test.json", "test.jsonl")
        yield "videomme", read_folder(location.path, patterns)
    else:
        yield "videomme", read_hub(location, _HUBS, "videomme", "test")


def _row_id(task: str, number: int, row: Mapping[str, Any]) -> str:
    return str(row.get("question_id") or f"{task}/{number}")


def _parse(id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
    return BenchmarkQuestion(
        id=id,
        task="videomme",
        video_id=str(doc.get("videoID") or doc.get("video_id") or id),
        answer=letter_of(doc, "answer", _LETTERS),
        groups=tuple((axis, label_of(doc, axis)) for axis in _AXES),
        doc=doc,
    )


def _locate(question: BenchmarkQuestion, location: DatasetLocation) -> BenchmarkQuestion:
    text_of(question.doc, "question")  # the prompts need these two
    texts_of(question.doc, "options")
    root, name = location.video_root("videomme"), text_of(question.doc, "videoID")
    files = [path_inside(root, "data", f"{name}.{ending}") for ending in ("mp4", "MP4", "mkv")]
    subtitle = path_inside(root, "subtitle", f"{name}.srt")
    return replace(
        question,
        video=first_existing(files, "a video"),
        subtitle=subtitle if subtitle.is_file() else None,
    )


BENCHMARK = Benchmark(
    name="videomme",
    dataset=TableDataset(
        layout="videomme/test-*.parquet",
        tables=_tables,
        parse=_parse,
        locate=_locate,
        row_id=_row_id,
    ),
    sizes={"videomme": 2700},
    prompts={"lmms_eval": _plain, "lmms_eval_subtitles": _with_subtitles},
    scorers={
        "lmms_eval": _scorer(
            "the letter in the most telling form", partial(priority_letter, letters=_LETTERS)
        ),
        "videomme_official": _scorer(
            "the first capital letter after known prefixes",
            partial(first_capital, letters=_LETTERS, prefixes=OFFICIAL_PREFIXES),
        ),
        "vlmevalkit": _scorer(
            "as videomme_official with two more prefixes",
            partial(first_capital, letters=_LETTERS, prefixes=VLMEVALKIT_PREFIXES),
        ),
    },
    harness=VideoMMEHarness(),
)

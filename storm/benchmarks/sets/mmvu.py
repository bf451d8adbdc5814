"""MMVU: expert questions of 27 subjects, 625 with five options and 375 open-ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.columns import first_existing, letter_of, path_inside, text_of
from storm.benchmarks.harness.mmvu import CHOICE, OPEN, MMVUHarness
from storm.benchmarks.rules.mmvu import is_right_for_lmms_eval
from storm.benchmarks.table_dataset import TableDataset, read_folder, read_hub
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    JudgeRequest,
    MakePrompt,
    Prompt,
    RuleResult,
    ScoredResponse,
    Scorer,
)
from storm.videos.questions.values import BadEntry

_HUBS = ("yale-nlp/MMVU", "lmms-lab/MMVU", "lmms-eval/MMVU")
_LETTERS = "ABCDE"
_DISCIPLINES = {
    "Science": (
        *("Astronomy", "Biology", "Chemistry", "Electromagnetism", "Geography"),
        *("Materials_Science", "Mechanics", "Modern_Physics", "Neurobiology", "Thermodynamics"),
    ),
    "Engineering": (
        *("Biomedical_Engineering", "Civil_Engineering", "Computer_Science"),
        *("Electrical_Engineering", "Electronics_and_Communication", "Mechanical_Engineering"),
    ),
    "Healthcare": (
        *("Basic_Medicine", "Clinical_Medicine", "Dentistry", "Pharmacy", "Preventive_Medicine"),
    ),
    "Humanities_and_Social_Science": (
        *("Art", "Economics", "History", "Law", "Literature", "Management"),
    ),
}
_DISCIPLINE_OF = {subject: name for name, subjects in _DISCIPLINES.items() for subject in subjects}

_DIRECT = {
    CHOICE: "Do not generate any intermediate reasoning process. Answer directly with the option "
    "letter from the\ngiven choices.\n",
    OPEN: "Do not generate any intermediate reasoning process. Directly output the final answer.\n",
}
_STEPS = {
    CHOICE: "Answer the given multiple-choice question step by step. Begin by explaining your "
    "reasoning process\nclearly. Conclude by stating the final answer using the following format: "
    '"Therefore, the final answer\nis: $LETTER" (without quotes), where $LETTER is one of the '
    "options. Think step by step before\nanswering.\n",
    OPEN: "Answer the given question step by step. Begin by explaining your reasoning process "
    "clearly. Conclude\nby stating the final answer using the following format: "
    '"Therefore, the final answer is: "Answer:\n$ANSWER" (without quotes), where $ANSWER is the '
    "final answer of the question. Think step by\nstep before answering.\n",
}


def _prompt_ending(endings: Mapping[str, str]) -> MakePrompt:
    def prompt(question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
        lines = [f"\nQuestion:{question.doc['question']}\n"]
        if question.task == CHOICE:
            lines += [f"{letter}: {question.doc['choices'][letter]}\n" for letter in _LETTERS]
        lines += ["Visual Information: processed video\n", endings[question.task]]
        return Prompt("".join(lines))

    return prompt


def _strict(question: BenchmarkQuestion, response: str) -> RuleResult:
    if question.task == OPEN:
        return RuleResult("", None, None, JudgeRequest.of(question, response))
    options = [str(question.doc["choices"].get(letter, "")) for letter in _LETTERS]
    from storm.student.letters import judge

    letter, right = judge(response, options, question.answer)
    return RuleResult(letter, float(right), bool(letter))


def _lmms_eval(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Apply lmms-eval's lenient rules: a letter anywhere counts, as does an empty open answer."""
    right = is_right_for_lmms_eval(question.doc, question.task == CHOICE, response)
    if question.task == OPEN and not right:
        return RuleResult(response, 0.0, False, JudgeRequest.of(question, response))
    letter = re.search(r"\b[A-E]\b", response)
    extracted = response if question.task == OPEN else letter.group() if letter else ""
    return RuleResult(extracted, float(right), True)


def _tables(location: DatasetLocation) -> Iterator[tuple[str, list[Any]]]:
    if location.is_folder:
        patterns = ("data/validation-*.parquet", "validation-*.parquet", "validation.json*")
        yield "", read_folder(location.path, patterns)
    else:
        yield "", read_hub(location, _HUBS, None, "validation")


def _row_id(task: str, number: int, row: Mapping[str, Any]) -> str:
    return str(row.get("id") or f"validation/{number}")


def _parse(id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
    kind = text_of(doc, "question_type")
    if kind not in (CHOICE, OPEN):
        raise BadEntry("bad_value", f"expected {CHOICE} or {OPEN}, found {kind!r}")
    text_of(doc, "question")
    if kind == CHOICE and not isinstance(doc.get("choices"), Mapping):
        raise BadEntry("missing_column", "expected a column 'choices' with A to E")
    subject = _subject(doc)
    return BenchmarkQuestion(
        id=id,
        task=kind,
        video_id=_video_of(doc) or id,
        answer=letter_of(doc, "answer", _LETTERS) if kind == CHOICE else text_of(doc, "answer"),
        groups=(
            ("all", "all"),
            (f"{kind} by discipline", _DISCIPLINE_OF.get(subject, "other")),
            (f"{kind} by subject", subject),
        ),
        doc=doc,
    )


def _locate(question: BenchmarkQuestion, location: DatasetLocation) -> BenchmarkQuestion:
    if question.task == CHOICE:
        for letter in _LETTERS:
            text_of(question.doc["choices"], letter, allow_empty=True)
    root = location.video_root("mmvu")
    parts = _video_of(question.doc).split("/")
    if "videos" in parts:  # some rows hold the file's URL
        parts = parts[parts.index("videos") :]
    return replace(question, video=first_existing([path_inside(root, *parts)], "a video"))


def _video_of(doc: Mapping[str, Any]) -> str:
    return str(doc.get("video_path") or doc.get("video") or "")


def _subject(doc: Mapping[str, Any]) -> str:
    """Return the subject column, else the folder of the video."""
    metadata = doc.get("metadata")
    named = metadata.get("subject") if isinstance(metadata, Mapping) else None
    folders = _video_of(doc).split("/")[:-1]
    return str(named or (folders[-1] if folders else "unknown")).replace(" ", "_")


def _only_choice(scored: Sequence[ScoredResponse]) -> Sequence[float]:
    """Restrict the headline to the multiple-choice questions."""
    return [float(response.task == CHOICE) for response in scored]


BENCHMARK = Benchmark(
    name="mmvu",
    dataset=TableDataset(
        layout="validation.json or data/validation-*.parquet",
        tables=_tables,
        parse=_parse,
        locate=_locate,
        row_id=_row_id,
    ),
    sizes={CHOICE: 625, OPEN: 375},
    prompts={
        "lmms_eval": _prompt_ending(_DIRECT),
        "lmms_eval_cot": _prompt_ending(_STEPS),
    },
    max_new_tokens=1024,
    scorers={
        "strict": Scorer(_strict, version=2, about="the chosen letter; open-ended by a judge"),
        "lmms_eval": Scorer(_lmms_eval, about="lmms-eval's lenient rules, for comparison only"),
    },
    weights=_only_choice,
    harness=MMVUHarness(),
)

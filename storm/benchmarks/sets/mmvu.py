"""MMVU: expert questions of 27 subjects, 625 with five options and 375 open-ended."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from storm.benchmarks.benchmark import (
    JudgeRequest,
    MakePrompt,
    Prompt,
    Question,
    Scorer,
    Source,
    Verdict,
    first_existing,
    inside,
    letter_of,
    metric_of,
    percentage,
    text_of,
    with_video,
)
from storm.benchmarks.rules.letters import priority_letter
from storm.benchmarks.rules.mmvu import lmms_eval_says_right
from storm.benchmarks.sets.tables import Tabular, read_folder, read_hub
from storm.videos.questions.formats import BadEntry

if TYPE_CHECKING:
    from storm.benchmarks.scoring import Scored

_LETTERS = "ABCDE"
CHOICE, OPEN = "multiple-choice", "open-ended"
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

METRIC = "accuracy"  # lmms-eval's name
_ASKED = re.compile(r"^Question:(.*?)\n(?:A: |Visual Information: )", re.DOTALL | re.MULTILINE)
_CHOICE_LINE = re.compile(r"^([A-E]): (.*)$", re.MULTILINE)
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

# A final letter, alone or before the text of its option; "A, B" is none.
_LETTER = r"\(?([A-E])\)?\s*"
_FINAL = re.compile(
    rf"(?i:therefore,\s+the\s+final\s+answer\s+is)\s*:?\s*[\"'*$]*\(?([A-E])(?!\w|,\s*[A-E]\b)"
    rf"|<answer>\s*{_LETTER}(?:[.:)][^<]*)?</answer>"
    rf"|\\boxed\{{\s*(?:\\text\{{)?{_LETTER}\}}"
)


def _prompt_of(endings: Mapping[str, str]) -> MakePrompt:
    def prompt(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
        lines = [f"\nQuestion:{question.doc['question']}\n"]
        if question.task == CHOICE:
            lines += [f"{letter}: {question.doc['choices'][letter]}\n" for letter in _LETTERS]
        lines += ["Visual Information: processed video\n", endings[question.task]]
        return Prompt("".join(lines))

    return prompt


def final_letter(response: str) -> str:
    """The last stated final letter, else VideoMME's extraction with A to E; '' if none."""
    stated = [next(filter(None, found)) for found in _FINAL.findall(response)]
    return stated[-1] if stated else priority_letter(response, _LETTERS)


def _judged(question: Question, response: str) -> JudgeRequest:
    return JudgeRequest(
        f"Question about a video:\n{question.doc['question']}\n\n"
        f"Correct answer: {question.answer}\n\nAnswer to judge: {response}"
    )


def _strict(question: Question, response: str) -> Verdict:
    if question.task == OPEN:
        return Verdict("", None, None, _judged(question, response))
    letter = final_letter(response)
    return Verdict(letter, float(letter == question.answer), bool(letter))


def _lmms_eval(question: Question, response: str) -> Verdict:
    """Its flaws and all: any of the letters may stand anywhere, an empty open answer is right."""
    right = lmms_eval_says_right(question.doc, question.task == CHOICE, response)
    if question.task == OPEN and not right:
        return Verdict(response, 0.0, False, _judged(question, response))
    letter = re.search(r"\b[A-E]\b", response)
    found = response if question.task == OPEN else letter.group() if letter else ""
    return Verdict(found, float(right), True)


class MMVU(Tabular):
    name: ClassVar[str] = "mmvu"
    hubs: ClassVar[tuple[str, ...]] = ("yale-nlp/MMVU", "lmms-lab/MMVU", "lmms-eval/MMVU")
    layout: ClassVar[str] = "validation.json or data/validation-*.parquet"
    sizes: ClassVar[Mapping[str, int]] = {CHOICE: 625, OPEN: 375}
    prompts: ClassVar[Mapping[str, MakePrompt]] = {
        "lmms_eval": _prompt_of(_DIRECT),
        "lmms_eval_cot": _prompt_of(_STEPS),
    }
    new_tokens: ClassVar[int] = 1024
    scorers: ClassVar[Mapping[str, Scorer]] = {
        "strict": Scorer(_strict, about="one final letter; open-ended by a judge"),
        "lmms_eval": Scorer(_lmms_eval, about="lmms-eval's loose rules, for comparison only"),
    }

    def tables(self, source: Source) -> Iterator[tuple[str, list[Any]]]:
        if source.is_folder:
            patterns = ("data/validation-*.parquet", "validation-*.parquet", "validation.json*")
            yield "", read_folder(source.path, patterns)
        else:
            yield "", read_hub(source, self.hubs, None, "validation")

    def id_of(self, task: str, number: int, row: Mapping[str, Any]) -> str:
        return str(row.get("id") or f"validation/{number}")

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        kind = text_of(doc, "question_type")
        if kind not in (CHOICE, OPEN):
            raise BadEntry("bad_value", f"expected {CHOICE} or {OPEN}, found {kind!r}")
        text_of(doc, "question")
        if kind == CHOICE and not isinstance(doc.get("choices"), Mapping):
            raise BadEntry("missing_column", "expected a column 'choices' with A to E")
        subject = _subject(doc)
        return Question(
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

    def locate(self, question: Question, source: Source) -> Question:
        if question.task == CHOICE:
            for letter in _LETTERS:
                text_of(question.doc["choices"], letter, allow_empty=True)
        root = source.video_root("mmvu")
        parts = _video_of(question.doc).split("/")
        if "videos" in parts:  # some rows hold the address of the file
            parts = parts[parts.index("videos") :]
        return with_video(question, first_existing([inside(root, *parts)], "a video"))

    def weights(self, scored: Sequence[Scored]) -> Sequence[float]:
        """The headline is the multiple-choice part."""
        return [float(one.task == CHOICE) for one in scored]

    def as_printed(self, scorer: str, scored: Sequence[Scored]) -> dict[str, float]:
        """lmms-eval counts all questions of the subjects that it knows."""
        if scorer != "lmms_eval":
            return {}
        known = [one for one in scored if one.question.groups[1][1] != "other"]
        return {f"{self.lmms_task('')}/{METRIC}": percentage([one.score for one in known])}

    def lmms_task(self, task: str) -> str:
        return "mmvu_val"

    def lmms_sample(self, scored: Scored) -> dict[str, Any]:
        sample = {
            "question_id": scored.id,
            "category": scored.question.groups[2][1],
            "pred_answer": scored.extracted,
            "answer": scored.question.answer,
            "correct": scored.score,
            "eval_method": "gpt-based" if scored.said else "rule-based",
        }
        return {METRIC: sample}

    def doc_of_lmms_sample(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """Question and choices from the prompt."""
        found, prompt = metric_of(sample, METRIC), str(sample.get("input", ""))
        asked = _ASKED.search(prompt)
        choices = dict(_CHOICE_LINE.findall(prompt))
        return {
            "question_type": CHOICE if choices else OPEN,
            "question": asked[1] if asked else None,
            "choices": choices,
            "answer": found.get("answer"),
            "metadata": {"subject": found.get("category")},
        }


def _video_of(doc: Mapping[str, Any]) -> str:
    return str(doc.get("video_path") or doc.get("video") or "")


def _subject(doc: Mapping[str, Any]) -> str:
    """The subject column, else the folder of the video."""
    metadata = doc.get("metadata")
    named = metadata.get("subject") if isinstance(metadata, Mapping) else None
    folders = _video_of(doc).split("/")[:-1]
    return str(named or (folders[-1] if folders else "unknown")).replace(" ", "_")


BENCHMARK = MMVU()

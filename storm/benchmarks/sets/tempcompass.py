"""TempCompass: four tasks that ask for the same temporal facts in four ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    label_of,
    metric_of,
    percentage,
    text_of,
    with_video,
)
from storm.benchmarks.sets.tables import Tabular, read_folder, read_hub
from storm.videos.questions.formats import BadEntry

if TYPE_CHECKING:
    from storm.benchmarks.scoring import Scored

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
_OPTION_WORDS = ("Sentence ", "Option ", "Caption ")


def _prompt(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    return Prompt(question.doc["question"] + _ENDS[question.task])


def _decided(extracted: str, right: bool) -> Verdict:
    return Verdict(extracted, float(right), True)


def _undecided(question: Question, response: str) -> Verdict:
    """Without a judge wrong, and lowering the match rate."""
    text = (
        f"Question about a video:\n{question.doc['question']}\n\n"
        f"Correct answer: {question.answer}\n\nAnswer to judge: {response}"
    )
    return Verdict("", 0.0, False, JudgeRequest(text))


def _multi_choice(question: Question, response: str) -> Verdict:
    gold = question.answer
    if response == gold:
        return _decided(gold[:1], True)
    if response in ("A", "B", "C", "D") or response.startswith(
        tuple(f"{letter}{mark}" for letter in "ABCD" for mark in ".)")
    ):
        return _decided(response[0], response[0] == gold[:1])
    return _undecided(question, response)


def _yes_no(question: Question, response: str) -> Verdict:
    lowered = response.lower()
    for said in ("yes", "no"):
        if lowered.startswith(said):
            return _decided(said, said == question.answer)
    return _undecided(question, response)


def _part(text: str, separator: str, number: int) -> str | None:
    """One of the parts; None where lmms-eval stops with an error instead."""
    parts = text.split(separator)
    return parts[number] if number < len(parts) else None


def _caption_matching(question: Question, response: str) -> Verdict:
    """The last of: a whole line, a line's sentence, a line's label or index; each the last such."""
    lines = question.doc["question"].split("\n")[1:]
    sentences = [_part(line, ": ", 1) for line in lines]
    labels = [line.split(": ")[0] for line in lines]
    indices = labels
    for word in _OPTION_WORDS:
        indices = [index.replace(word, "") for index in indices]
    after = _part(response, ") ", 1)
    undotted = response.replace(".", "")
    said = None
    if response in lines:
        said = response
    for sentence in sentences:
        if sentence is not None and sentence in (response, after):
            said = sentence
    for index in (*labels, *indices):
        if index in (response, undotted):
            said = index
    if said is None:
        return _undecided(question, response)
    gold = question.answer
    label_words = gold.split(": ")[0].split()
    right = said in (
        gold,
        gold.split(":")[0],
        _part(gold, ": ", 1),
        label_words[1] if len(label_words) > 1 else None,
    )
    return _decided(said, right)


def _captioning(question: Question, response: str) -> Verdict:
    """A judge answers the multiple-choice question from the caption alone."""
    doc = question.doc
    text = (
        f"Description of a video:\n{response}\n\n"
        f"Question about the video:\n{doc.get('mc_question') or doc['question']}"
    )
    return Verdict("", None, None, JudgeRequest(text, gold=question.answer[:1]))


_RULES = {
    "multi-choice": _multi_choice,
    "yes_no": _yes_no,
    "caption_matching": _caption_matching,
    "captioning": _captioning,
}


def _rule(question: Question, response: str) -> Verdict:
    return _RULES[question.task](question, response)


def _task_of(doc: Mapping[str, Any]) -> str:
    """Which task a row is from, by its columns."""
    answer = str(doc.get("answer"))
    if "mc_answer" in doc or "Generated Caption" in str(doc.get("question")):
        return "captioning"
    if answer in ("yes", "no"):
        return "yes_no"
    return "caption_matching" if answer.startswith(_OPTION_WORDS) else "multi-choice"


def is_nested(whole: Any) -> bool:
    """Whether a value is the official repository's `{video: {dim: [{question, answer, …}]}}`."""
    return isinstance(whole, Mapping) and all(
        isinstance(dims, Mapping)
        and all(isinstance(rows, list) and all(map(_is_row, rows)) for rows in dims.values())
        for dims in whole.values()
    )


def _is_row(row: Any) -> bool:
    return isinstance(row, Mapping)


def flatten(nested: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Its rows, with the columns `video_id` and `dim`."""
    for video_id, dims in nested.items():
        for dim, rows in dims.items():
            for row in rows:
                yield {"video_id": video_id, "dim": dim, **row}


class TempCompass(Tabular):
    name: ClassVar[str] = "tempcompass"
    hubs: ClassVar[tuple[str, ...]] = ("lmms-lab/TempCompass", "lmms-eval/TempCompass")
    layout: ClassVar[str] = "<task>/test-*.parquet or questions/<task>.json"
    sizes: ClassVar[Mapping[str, int]] = _SIZES
    prompts: ClassVar[Mapping[str, MakePrompt]] = {"lmms_eval": _prompt}
    new_tokens: ClassVar[int] = 128  # lmms-eval names none: captions and whole sentences fit
    scorers: ClassVar[Mapping[str, Scorer]] = {
        "lmms_eval": Scorer(_rule, about="exact forms by task; else a judge"),
    }

    def tables(self, source: Source) -> Iterator[tuple[str, list[Any]]]:
        for task in _SIZES:
            if source.is_folder:
                patterns = (f"{task}/test-*.parquet", f"questions/{task}.json", f"{task}.json")
                rows = read_folder(source.path, patterns)
            else:
                rows = read_hub(source, self.hubs, task, "test")
            nested = dict(row for row in rows if isinstance(row, tuple))  # of the official file
            yield task, [*flatten(nested)] if nested and is_nested(nested) else rows

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        if task and task not in _NAMES:
            raise BadEntry("bad_value", f"expected a task of {sorted(_SIZES)}, found {task!r}")
        task = _NAMES[task] if task else _task_of(doc)
        text_of(doc, "question")
        gold = "mc_answer" if task == "captioning" and "mc_answer" in doc else "answer"
        return Question(
            id=id,
            task=task,
            video_id=str(doc.get("video_id") or id),
            answer=text_of(doc, gold),
            groups=((f"{task} by dim", label_of(doc, "dim")),),
            doc=doc,
        )

    def locate(self, question: Question, source: Source) -> Question:
        root = source.video_root("tempcompass")
        path = inside(root, "videos", f"{text_of(question.doc, 'video_id')}.mp4")
        return with_video(question, first_existing([path], "a video"))

    def weights(self, scored: Sequence[Scored]) -> Sequence[float]:
        """The headline pools the three tasks that rules score."""
        return [float(one.score is not None and one.task != "captioning") for one in scored]

    def as_printed(self, scorer: str, scored: Sequence[Scored]) -> dict[str, float]:
        """Each task's `avg_accuracy` and its aspects', in per cent."""
        found: dict[str, list[float | None]] = {}
        for one in scored:
            if one.score is not None:
                for metric in self.lmms_sample(one):
                    name = f"{self.lmms_task(one.task)}/{metric}"
                    found.setdefault(name, []).append(one.score)
        return {name: percentage(scores) for name, scores in found.items()}

    def lmms_task(self, task: str) -> str:
        return f"tempcompass_{task.replace('-', '_')}"

    def lmms_sample(self, scored: Scored) -> dict[str, Any]:
        dim = scored.question.groups[0][1]
        sample = {
            "video_id": scored.video_id,
            "question": scored.question.doc["question"],
            "gt-answer": scored.question.answer,
            "video-llm-prediction": scored.response,
            "match_success": bool(scored.matched),
            "rating": scored.score,
            "dim": dim,
        }
        if scored.said:
            sample["chatgpt_response"] = scored.said
        return {"avg_accuracy": sample, f"{dim}_accuracy": sample}

    def doc_of_lmms_sample(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        found = metric_of(sample, "avg_accuracy")
        return {**found, "answer": found.get("gt-answer")}

    def official_predictions(self, whole: Any) -> Iterable[Mapping[str, Any]] | None:
        return flatten(whole) if is_nested(whole) else None


BENCHMARK = TempCompass()

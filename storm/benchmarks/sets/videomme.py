"""VideoMME: 2,700 questions with four options on 900 videos, with or without subtitles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from storm.benchmarks.benchmark import (
    MakePrompt,
    Prompt,
    Question,
    Scorer,
    Source,
    Verdict,
    first_existing,
    inside,
    label_of,
    letter_of,
    metric_of,
    percentage,
    text_of,
    texts_of,
    with_video,
)
from storm.benchmarks.rules.letters import (
    OFFICIAL_PREFIXES,
    VLMEVALKIT_PREFIXES,
    first_capital,
    priority_letter,
)
from storm.benchmarks.rules.subtitles import shown_text
from storm.benchmarks.sets.tables import Tabular, read_folder, read_hub

if TYPE_CHECKING:
    from storm.benchmarks.scoring import Scored

METRIC = "videomme_perception_score"  # lmms-eval's name
_LETTERS = "ABCD"
_AXES = ("duration", "domain", "sub_category", "task_type")
_FIRST = (
    "Select the best answer to the following multiple-choice question based on the video and the "
    "subtitles. Respond with only the letter (A, B, C, or D) of the correct option."
)
_LAST = "Answer with the option's letter from the given choices directly."


def _question_text(question: Question) -> str:
    return "\n".join([_FIRST, question.doc["question"], *question.doc["options"]])


def _plain(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    return Prompt(f"{_question_text(question)}\n\n{_LAST}")


def _with_subtitles(question: Question, pts_seconds: Sequence[float] | None) -> Prompt:
    if question.subtitle is None:
        shown = "No subtitles available"
    else:
        shown = shown_text(question.subtitle, pts_seconds)
    head = f"This video's subtitles are listed below: \n{shown}"
    return Prompt(f"{head}\n{_question_text(question)}\nThe best answer is:")


def _rule(extract: Any, question: Question, response: str) -> Verdict:
    letter = extract(response)
    return Verdict(letter, float(letter == question.answer), bool(letter))


def _scorer(about: str, extract: Any, **settings: Any) -> Scorer:
    return Scorer(partial(_rule, partial(extract, letters=_LETTERS, **settings)), about=about)


class VideoMME(Tabular):
    name: ClassVar[str] = "videomme"
    hubs: ClassVar[tuple[str, ...]] = ("lmms-lab/Video-MME", "lmms-eval/Video-MME")
    layout: ClassVar[str] = "videomme/test-*.parquet"
    sizes: ClassVar[Mapping[str, int]] = {"videomme": 2700}
    prompts: ClassVar[Mapping[str, MakePrompt]] = {
        "lmms_eval": _plain,
        "lmms_eval_subtitles": _with_subtitles,
    }
    scorers: ClassVar[Mapping[str, Scorer]] = {
        "lmms_eval": _scorer("the letter in the most telling form", priority_letter),
        "videomme_official": _scorer(
            "the first capital letter after known prefixes",
            first_capital,
            prefixes=OFFICIAL_PREFIXES,
        ),
        "vlmevalkit": _scorer(
            "as videomme_official with two more prefixes",
            first_capital,
            prefixes=VLMEVALKIT_PREFIXES,
        ),
    }

    def tables(self, source: Source) -> Iterator[tuple[str, list[Any]]]:
        if source.is_folder:
            patterns = ("videomme/test-*.parquet", "test-*.parquet", "test.json", "test.jsonl")
            yield self.name, read_folder(source.path, patterns)
        else:
            yield self.name, read_hub(source, self.hubs, "videomme", "test")

    def id_of(self, task: str, number: int, row: Mapping[str, Any]) -> str:
        return str(row.get("question_id") or f"{task}/{number}")

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        return Question(
            id=id,
            task=self.name,
            video_id=str(doc.get("videoID") or doc.get("video_id") or id),
            answer=letter_of(doc, "answer", _LETTERS),
            groups=tuple((axis, label_of(doc, axis)) for axis in _AXES),
            doc=doc,
        )

    def locate(self, question: Question, source: Source) -> Question:
        text_of(question.doc, "question")  # what the prompts need
        texts_of(question.doc, "options")
        root, name = source.video_root("videomme"), text_of(question.doc, "videoID")
        files = [inside(root, "data", f"{name}.{ending}") for ending in ("mp4", "MP4", "mkv")]
        subtitle = inside(root, "subtitle", f"{name}.srt")
        video = first_existing(files, "a video")
        return with_video(question, video, subtitle=subtitle if subtitle.is_file() else None)

    def as_printed(self, scorer: str, scored: Sequence[Scored]) -> dict[str, float]:
        """Per cent; the other two harnesses leave out what they can't parse."""
        if scorer == "lmms_eval":
            return {f"{self.name}/{METRIC}": percentage([one.score for one in scored])}
        return {scorer: percentage([one.score for one in scored if one.extracted])}

    def lmms_sample(self, scored: Scored) -> dict[str, Any]:
        labels = dict(scored.question.groups)
        sample = {
            "question_id": scored.id,
            "duration": labels["duration"],
            "category": labels["domain"],
            "sub_category": labels["sub_category"],
            "task_category": labels["task_type"],
            "pred_answer": scored.extracted,
            "answer": scored.question.answer,
            "score": scored.score,
            "videoID": scored.video_id,
        }
        return {METRIC: sample}

    def doc_of_lmms_sample(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        renamed = {"category": "domain", "task_category": "task_type"}
        found = metric_of(sample, METRIC)
        return {renamed.get(name, name): value for name, value in found.items()}


BENCHMARK = VideoMME()

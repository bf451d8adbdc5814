"""The types of a benchmark: questions, prompts, rules, judges and scored responses."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from storm.config import FrozenModel
from storm.records import Rejected


class DatasetLocation(FrozenModel):
    """A data set's place: a folder in the hub's layout, or a hub id `owner/name`."""

    where: str
    videos: str | None = None  # their folder; None: `where`, for a hub id where lmms-eval has them
    revision: str | None = None  # of the hub's repository

    def identity(self) -> dict[str, str]:
        """Return nothing: the questions and videos are the identity, not their place."""
        return {}

    @property
    def path(self) -> Path:
        """`where` as a path."""
        return Path(self.where)

    @property
    def is_folder(self) -> bool:
        """Whether the data set is a local folder rather than a hub id."""
        return self.path.is_dir()

    def video_root(self, cache_name: str) -> Path:
        """Return the folder of the videos.

        Args:
            cache_name: lmms-eval's name of that folder under the hub's cache.
        """
        if self.videos is not None:
            return Path(self.videos)
        if self.is_folder:
            return self.path
        home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
        return Path(home).expanduser() / cache_name


@dataclass(frozen=True, kw_only=True)
class BenchmarkQuestion:
    """One question of a benchmark. Read from a response file, it has no video."""

    id: str  # stable and unique within the benchmark
    task: str  # the sub-task; the benchmark's name if it has none
    video_id: str  # the id if the video is unknown
    answer: str  # the scorer compares with it: a letter, a line, yes or no
    groups: tuple[tuple[str, str], ...] = ()  # (axis, value): the breakdowns it is counted in
    doc: Mapping[str, Any]  # the data set's own columns
    video: Path | None = None  # a file, or a folder of frames if `frames_fps` is set
    clip_seconds: tuple[float, float] | None = None  # start and end; None: the whole video
    frames_fps: float | None = None  # frames per second of a folder, in order of their names
    subtitle: Path | None = None  # a .srt file
    cluster: str = ""  # questions of one are dependent; '' becomes the video's id

    def __post_init__(self) -> None:
        object.__setattr__(self, "cluster", self.cluster or self.video_id)


@dataclass(frozen=True, kw_only=True)
class LoadedQuestions:
    """The questions of a data set on disk; the missing ones are named, never dropped silently."""

    questions: tuple[BenchmarkQuestion, ...]
    rejected: tuple[Rejected, ...]  # `missing_video`, `missing_column`, ...


@dataclass(frozen=True)
class Prompt:
    """The text that a model is asked."""

    text: str  # the user's turn, after the video
    system: str = ""  # '' for the model's own
    prefill: str = ""  # the beginning of the answer, given to the model


# The second argument is the times in seconds of the frames that the model sees, which choose the
# subtitles; None: all of them.
MakePrompt = Callable[[BenchmarkQuestion, Sequence[float] | None], Prompt]


@dataclass(frozen=True)
class JudgeRequest:
    """A response that no rule could decide, put as a question to a judge."""

    text: str
    gold: str = ""  # a letter: the judge must choose it; '': it says correct or not

    @classmethod
    def of(cls, question: BenchmarkQuestion, response: str) -> JudgeRequest:
        """Return the request whether a response means the same as the correct answer."""
        return cls(
            f"Question about a video:\n{question.doc['question']}\n\n"
            f"Correct answer: {question.answer}\n\nAnswer to judge: {response}"
        )


@dataclass(frozen=True)
class JudgeReply:
    """A judge's decision on one request."""

    score: float | None  # 0 or 1; None: no usable reply
    text: str  # the reply, or why there is none


class Judge(Protocol):
    """A model that decides what rules can't."""

    @property
    def name(self) -> str:
        """The model's name, for the report."""
        ...

    def ask(self, requests: Sequence[JudgeRequest]) -> list[JudgeReply]:
        """Return one reply per request, in order."""
        ...


@dataclass(frozen=True)
class RuleResult:
    """A rule's decision on one response."""

    extracted: str  # the answer in the response, '' if none
    score: float | None  # 0 to 1; None: not scored
    matched: bool | None  # whether the rule could decide; None: no rule could, ever
    request: JudgeRequest | None = None  # if the rule could not decide


@dataclass(frozen=True)
class Scorer:
    """A rule with a version."""

    rule: Callable[[BenchmarkQuestion, str], RuleResult]
    version: int = 1  # raise it when a response may get another score
    about: str = ""


class AnsweredQuestion(NamedTuple):
    """A question with a response to it; None: the model gave none."""

    question: BenchmarkQuestion
    response: str | None


@dataclass(frozen=True, kw_only=True)
class ScoredResponse:
    """One response with its score."""

    question: BenchmarkQuestion
    raw: str | None  # the response as given; None: there was none
    response: str  # after cleaning: the rule's input
    extracted: str  # '' if nothing could be extracted
    score: float | None  # 0 to 1; None: not scored, in no denominator
    matched: bool | None  # whether the rule decided; None: no rule could, ever
    judge_text: str = ""  # the judge's reply, if it was asked

    @property
    def id(self) -> str:
        """The question's id."""
        return self.question.id

    @property
    def task(self) -> str:
        """The question's task."""
        return self.question.task

    @property
    def video_id(self) -> str:
        """The question's video."""
        return self.question.video_id

    @property
    def cluster(self) -> str:
        """The question's cluster."""
        return self.question.cluster

    @property
    def empty(self) -> bool:
        """Whether nothing is left after cleaning."""
        return not self.response


class Estimate(NamedTuple):
    """A share with its 95 % interval, clustered as the questions are."""

    value: float  # 0 to 1; NaN for no questions
    low: float
    high: float
    n: int  # questions

"""What a benchmark is: its questions, its prompts, its scorers, and how scores add up.

A benchmark is one file in `sets/` that ends in `BENCHMARK = …`; see `catalogue`. Reading it from
disk gives `Question`s; a prompt makes the text that a model is asked; a scorer's rule looks at one
response and gives a `Verdict`. `scoring.py` does the rest for all of them.
"""

from __future__ import annotations

import dataclasses
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from storm.errors import ConfigError
from storm.records import Rejected
from storm.videos.questions.formats import BadEntry

if TYPE_CHECKING:
    from storm.benchmarks.scoring import Scored


class Source(BaseModel):
    """Where a data set lies: a folder in the hub's layout, or a hub id `owner/name`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str
    videos: str | None = None  # their folder; None: `where`, for a hub id where lmms-eval has them
    revision: str | None = None  # of the hub's repository

    def identity(self) -> dict[str, str]:
        """Nothing: what was found there is the identity, not where."""
        return {}

    @property
    def path(self) -> Path:
        return Path(self.where)

    @property
    def is_folder(self) -> bool:
        return self.path.is_dir()

    def video_root(self, cache_name: str) -> Path:
        """The folder that holds the videos; `cache_name` is lmms-eval's under the hub's cache."""
        if self.videos is not None:
            return Path(self.videos)
        if self.is_folder:
            return self.path
        home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
        return Path(home).expanduser() / cache_name


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of a benchmark. Read from a response file, it has no video."""

    id: str  # stable and unique within the benchmark
    task: str  # the sub-task; the benchmark's name if it has none
    video_id: str  # questions of one video count as dependent; the id if no video is told
    answer: str  # what the scorer compares with: a letter, a line, yes or no
    groups: tuple[tuple[str, str], ...]  # (axis, value): the breakdowns that it is counted in
    doc: Mapping[str, Any]  # the data set's own columns
    video: Path | None = None  # a file, or a folder of frames if `frames_fps` is set
    clip_seconds: tuple[float, float] | None = None  # start and end; None: the whole video
    frames_fps: float | None = None  # frames in the folder a second, in order of their names
    subtitle: Path | None = None  # a .srt file


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A data set as it was found: nothing is lost without a name."""

    questions: tuple[Question, ...]
    refused: tuple[Rejected, ...]  # `missing_video`, `missing_column`, …
    expected: int  # how many questions the data set has


@dataclass(frozen=True)
class Prompt:
    """What a model is asked."""

    text: str  # the user's turn, after the video
    system: str = ""  # '' for the model's own
    prefill: str = ""  # how the answer begins, given to the model


# The times of the frames that the model sees choose the subtitles; None: all of them.
MakePrompt = Callable[[Question, Sequence[float] | None], Prompt]


@dataclass(frozen=True)
class JudgeRequest:
    """What a judge is asked about a response that no rule could decide."""

    text: str
    gold: str = ""  # a letter: the judge must choose it; '': it says correct or not


@dataclass(frozen=True)
class Opinion:
    """What a judge made of a request."""

    score: float | None  # 0 or 1; None: it gave no usable reply
    said: str  # its reply, or why there is none


class Judge(Protocol):
    """Decides what rules can't."""

    @property
    def name(self) -> str:
        """The model's name, for the report."""
        ...

    def ask(self, requests: Sequence[JudgeRequest]) -> list[Opinion]:
        """One opinion a request, in order."""
        ...


@dataclass(frozen=True)
class Verdict:
    """What a rule makes of one response."""

    extracted: str  # the answer that was found, '' if none
    score: float | None  # 0 to 1; None: not scored
    matched: bool | None  # whether the rule could decide; None: no rule could, ever
    request: JudgeRequest | None = None  # for what the rule could not decide


@dataclass(frozen=True)
class Scorer:
    rule: Callable[[Question, str], Verdict]
    version: int = 1  # raise it when a response may get another score
    about: str = ""


class Benchmark(ABC):
    """One data set with what belongs to it."""

    name: ClassVar[str]
    hubs: ClassVar[tuple[str, ...]] = ()  # hub ids that hold it, the same rows in each
    sizes: ClassVar[Mapping[str, int]] = {}  # questions a task; empty: as many as there are
    prompts: ClassVar[Mapping[str, MakePrompt]]  # by prompt id, the default first
    new_tokens: ClassVar[int] = 16  # that an answer may take; lmms-eval's bound where it has one
    scorers: ClassVar[Mapping[str, Scorer]]  # by scorer id, the default first

    @abstractmethod
    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> Question:
        """A question from its columns; `task` may be '' and is then told from them.

        Raises `BadEntry` with the reason `missing_column` or `bad_value`.
        """

    @abstractmethod
    def load(self, source: Source) -> Loaded:
        """Every question whose video is there; what is missing is named, never left out in silence.

        Raises `DataError` if the source as a whole can't be read.
        """

    def weights(self, scored: Sequence[Scored]) -> Sequence[float]:
        """How much each counts in the headline; 0 leaves it out. All alike unless overridden."""
        return [0.0 if one.score is None else 1.0 for one in scored]

    def as_printed(self, scorer: str, scored: Sequence[Scored]) -> dict[str, float]:
        """The numbers that the scorer's own harness prints, in its units.

        Those of lmms-eval go by `task/metric` in its words.
        """
        return {}

    def lmms_task(self, task: str) -> str:
        """lmms-eval's name of a task."""
        return self.name

    def lmms_sample(self, scored: Scored) -> dict[str, Any]:
        """What lmms-eval puts into its samples file about one response: a value a metric."""
        return {self.name: {"score": scored.score, "pred_answer": scored.extracted}}

    def doc_of_lmms_sample(self, sample: Mapping[str, Any]) -> Mapping[str, Any]:
        """The columns that a line of lmms-eval's samples file, which leaves them out, tells of.

        Raises `BadEntry` with the reason `missing_column`.
        """
        raise BadEntry("missing_column", f"expected 'doc', found {sorted(sample)}")

    def official_predictions(self, whole: Any) -> Iterable[Mapping[str, Any]] | None:
        """Rows (columns and `prediction`) of the value of a JSON file as the data set's own
        repository has them; None if the value is no such thing.
        """
        return None

    def pick_prompt(self, name: str | None = None) -> tuple[str, MakePrompt]:
        return _pick(self.prompts, name, f"a prompt of {self.name}")

    def pick_scorer(self, name: str | None = None) -> tuple[str, Scorer]:
        return _pick(self.scorers, name, f"a scorer of {self.name}")


def _pick(choices: Mapping[str, Any], name: str | None, what: str) -> tuple[str, Any]:
    name = name or next(iter(choices))
    if name not in choices:
        raise ConfigError(f"expected {what}: {', '.join(choices)}; found {name!r}")
    return name, choices[name]


def text_of(doc: Mapping[str, Any], column: str, allow_empty: bool = False) -> str:
    """A column's text. Raises `BadEntry` if it is missing, no text, or empty where it may not be.

    Numbers count as texts: some files hold ids and answers as such.
    """
    if column not in doc or doc[column] is None:
        raise BadEntry("missing_column", f"expected a column {column!r}, found {sorted(doc)}")
    value = doc[column]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not (value or allow_empty):
        raise BadEntry("bad_value", f"expected a text in {column!r}, found {value!r}")
    return value


def label_of(doc: Mapping[str, Any], column: str) -> str:
    """A column that no score hangs on: its text, or `unknown`, so that each breakdown has all."""
    value = doc.get(column)
    return value if isinstance(value, str) and value else "unknown"


def texts_of(doc: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """A column's list of texts, as `text_of`."""
    value = doc.get(column)
    if value is None:
        raise BadEntry("missing_column", f"expected a column {column!r}, found {sorted(doc)}")
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise BadEntry("bad_value", f"expected a list in {column!r}, found {value!r}")
    items = list(value)
    if not items or not all(isinstance(item, str) for item in items):
        raise BadEntry("bad_value", f"expected texts in {column!r}, found {items!r}")
    return tuple(items)


def first_existing(candidates: Iterable[Path], what: str) -> Path:
    """The first path that exists. Raises `BadEntry` with the reason `missing_video`."""
    tried = list(candidates)
    for path in tried:
        if path.exists():
            return path
    places = ", ".join(str(path) for path in tried)
    raise BadEntry("missing_video", f"expected {what} at {places}: found none")


def with_video(question: Question, video: Path, **where: Any) -> Question:
    return dataclasses.replace(question, video=video, **where)


def letter_of(doc: Mapping[str, Any], column: str, letters: str) -> str:
    """A column that holds one of the letters. Raises `BadEntry` otherwise."""
    value = text_of(doc, column)
    if len(value) != 1 or value not in letters:
        raise BadEntry(
            "bad_value", f"expected one letter of {letters} in {column!r}, found {value!r}"
        )
    return value


def inside(root: Path, *parts: str) -> Path:
    """A path under `root`. Raises `BadEntry` if the parts lead out of it."""
    path = root.joinpath(*parts)
    if os.path.isabs(os.path.join(*parts)) or ".." in Path(*parts).parts or "\0" in str(path):
        raise BadEntry("path_leaves_root", f"expected a path under {root}, found {parts}")
    return path


def percentage(scores: Sequence[float | None]) -> float:
    """Per cent of right ones, as lmms-eval prints it: 0 of none."""
    return 100 * sum(score or 0.0 for score in scores) / max(1, len(scores))


def metric_of(sample: Mapping[str, Any], metric: str) -> Mapping[str, Any]:
    """A metric of a line of lmms-eval's samples. Raises `BadEntry` if it isn't there."""
    found = sample.get(metric)
    if not isinstance(found, Mapping):
        raise BadEntry("missing_column", f"expected 'doc' or {metric!r}, found {sorted(sample)}")
    return found

"""Question sets in files: entries in, `VideoSample` rows and named rejections out."""

from __future__ import annotations

import dataclasses
import os
import posixpath
import typing
import unicodedata
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from storm.artifacts.hash_cache import cached_sha256
from storm.config import FrozenModel, Split
from storm.errors import DataError, UnreadableVideo
from storm.records import Rejected, VideoSample
from storm.videos.decoding.container import detect_container
from storm.videos.questions.formats import (
    Columns,
    RawQuestion,
    asks_about_an_image,
    by_columns,
    llava_video,
    video_r1,
)
from storm.videos.questions.options import INDEX
from storm.videos.questions.rows import Entry, read_entries
from storm.videos.questions.splits import assign_splits
from storm.videos.questions.values import BadEntry


class QuestionSet(NamedTuple):
    """A question set after its videos were located."""

    samples: list[VideoSample]  # in the set's order
    rejected: list[Rejected]
    root: Path  # what the samples' paths are relative to
    images: int  # entries about an image: they are left out and not rejected


class QuestionSource(FrozenModel):
    """Questions about videos under one root, wherever their entries come from."""

    questions: str  # where the entries are
    root: str | None = None  # folder of the videos; None: that of the questions
    columns: Columns = Columns()
    test_share: float = Field(0.2, ge=0, le=1)  # of the videos whose split is left open
    val_share: float = Field(default=0.0, ge=0, le=1)  # of the same videos
    seed: int = 0  # of the split

    def root_path(self) -> Path:
        """Return the folder that video paths are relative to and may not leave."""
        root = Path(self.root) if self.root is not None else self.own_folder()
        if not root.is_dir():
            raise DataError(f"expected the videos' root folder, found none: {root}")
        return root

    @abstractmethod
    def own_folder(self) -> Path:
        """Return the root if none is configured."""

    @abstractmethod
    def entries(self) -> list[Entry | Rejected]:
        """Every entry; raises `DataError` if the whole can't be read."""

    @abstractmethod
    def form(self) -> str | None:
        """`columns`, `video_r1` or `llava_video`; None: what the first entry looks like."""

    def read(self) -> tuple[list[RawQuestion], list[Rejected], int]:
        """Every question with an id of its own, and how many are on images; no video is looked at.

        Raises `DataError` if the whole can't be read.
        """
        entries = self.entries()
        rejected = [entry for entry in entries if isinstance(entry, Rejected)]
        good = [entry for entry in entries if isinstance(entry, Entry)]
        kind = self.form() or _kind_of(good) or "columns"
        if kind == "columns":
            self._refuse_missing_columns(good)
        asked = [e for e in good if kind != "video_r1" or not asks_about_an_image(e)]
        questions: list[RawQuestion] = []
        for entry in asked:
            try:
                if kind == "video_r1":
                    questions += video_r1(entry)
                elif kind == "llava_video":
                    for one in llava_video(entry):
                        (rejected if isinstance(one, Rejected) else questions).append(one)  # pyright: ignore
                else:
                    questions += by_columns(entry, self.columns)
            except BadEntry as error:
                detail = f"{entry.where}: {error}"
                rejected.append(Rejected(id=_name(entry), reason=error.reason, detail=detail))
        questions, guesses = _without_guesses(questions, rejected)
        rejected += guesses
        questions, duplicates = _without_duplicates(questions)
        rejected = _renamed(rejected, questions, duplicates) + duplicates
        return questions, rejected, len(good) - len(asked)

    def samples(self) -> QuestionSet:
        """Every question with its video looked at, but not decoded."""
        questions, rejected, images = self.read()
        root = self.root_path()
        videos: dict[str, tuple[str, str] | Rejected] = {}  # as written: (video_id, sha256)
        for question in questions:
            if question.video not in videos:
                videos[question.video] = _look_at(root, question.video)
        known = {v[0]: v[1] for v in videos.values() if not isinstance(v, Rejected)}
        chosen = self._chosen_splits(questions, videos)
        splits = assign_splits(known, chosen, self.test_share, self.seed, self.val_share)
        samples: list[VideoSample] = []
        for question in questions:
            video = videos[question.video]
            if isinstance(video, Rejected):
                detail = f"{question.where}: {video.detail}"
                rejected.append(Rejected(id=question.id, reason=video.reason, detail=detail))
                continue
            video_id, sha256 = video
            if question.split not in (None, splits[video_id]):
                rejected.append(_bad_split(question, splits[video_id]))
                continue
            samples.append(
                VideoSample(
                    id=question.id,
                    video_id=video_id,
                    video_path=video_id,
                    video_sha256=sha256,
                    split=splits[video_id],
                    question=question.question,
                    options=question.options,
                    answer=question.answer,
                    cluster=question.cluster,
                )
            )
        return QuestionSet(samples, rejected, root, images)

    def _refuse_missing_columns(self, entries: list[Entry]) -> None:
        found = {name for entry in entries for name in entry.fields}
        for role in ("video", "question", "answer"):
            name = getattr(self.columns, role)
            if entries and name not in found:
                raise DataError(
                    f"expected a column {name!r} for the {role}, found {sorted(found)}: "
                    f"name it with columns.{role} ({self.questions})"
                )
        given = self.columns.model_fields_set & {"id", "options", "split", "cluster"}
        for role in sorted(given):
            if entries and getattr(self.columns, role) not in found:
                raise DataError(
                    f"expected a column {getattr(self.columns, role)!r} (columns.{role}), "
                    f"found {sorted(found)} ({self.questions})"
                )

    @staticmethod
    def _chosen_splits(
        questions: Iterable[RawQuestion], videos: dict[str, tuple[str, str] | Rejected]
    ) -> dict[str, Split]:
        """Return each video's split, as its first question with one says."""
        chosen: dict[str, Split] = {}
        for question in questions:
            video = videos[question.video]
            if question.split in typing.get_args(Split) and not isinstance(video, Rejected):
                chosen.setdefault(video[0], typing.cast(Split, question.split))
        return chosen


class QuestionFile(QuestionSource):
    """A file: JSON, JSON lines or CSV."""

    kind: Literal["auto", "video_r1", "llava_video", "json", "jsonl", "csv"] = "auto"

    def own_folder(self) -> Path:
        """Return the folder of the question file."""
        return Path(self.questions).parent

    def entries(self) -> list[Entry | Rejected]:
        """Return the entries of the question file."""
        return read_entries(Path(self.questions), self.kind if self._is_plain() else None)

    def form(self) -> str | None:
        """Return the format of the file; None to detect it."""
        return "columns" if self._is_plain() else None if self.kind == "auto" else self.kind

    def _is_plain(self) -> bool:
        return self.kind in ("json", "jsonl", "csv")


def video_id_of(path: str) -> str:
    """Return the video's id: its path under the root, without `.` and `..`."""
    return posixpath.normpath(path)


def _look_at(root: Path, written: str) -> tuple[str, str] | Rejected:
    """(video_id, sha256) of a video, or why it can't be used."""
    video_id = video_id_of(written)
    inside = os.path.realpath(root)

    def refuse(reason: str, detail: str) -> Rejected:
        return Rejected(id=written, reason=reason, detail=detail)

    if "\0" in written or "\n" in written:
        return refuse("bad_path", f"expected a path, found {written!r}")
    if posixpath.isabs(written) or video_id.split("/")[0] == "..":
        return refuse("path_leaves_root", f"expected a path under {root}, found {written!r}")
    real = os.path.realpath(os.path.join(inside, video_id))
    if os.path.commonpath([inside, real]) != inside:
        return refuse("path_leaves_root", f"{written!r} is a link to outside of {root}")
    try:
        detect_container(Path(real))
        return video_id, cached_sha256(Path(real))
    except UnreadableVideo as error:
        return refuse(error.reason, error.detail)
    except OSError as error:
        return refuse("unreadable", f"{written!r}: {error}")


def _kind_of(entries: list[Entry]) -> str | None:
    """Which format the entries have; None: plain columns."""
    for entry in entries[:1]:
        if "conversations" in entry.fields:
            return "llava_video"
        if {"problem", "solution", "path"} <= entry.fields.keys():
            return "video_r1"
    return None


def _name(entry: Entry) -> str:
    """Return the id of a rejected entry if it can be shown, else its place."""
    for key in ("id", "problem_id"):
        value = entry.fields.get(key)
        if isinstance(value, int) or (isinstance(value, str) and value and value.isprintable()):
            return str(value)
    return entry.where


def _without_duplicates(
    questions: list[RawQuestion],
) -> tuple[list[RawQuestion], list[Rejected]]:
    """Ids that are equal but for case or Unicode form are refused, all of them: which is meant?"""
    alike: dict[str, list[RawQuestion]] = defaultdict(list)
    for question in questions:
        alike[unicodedata.normalize("NFKC", question.id).casefold()].append(question)
    single = [q for group in alike.values() if len(group) == 1 for q in group]
    rejected: list[Rejected] = []
    for group in alike.values():
        places = ", ".join(f"{q.id!r} at {q.where}" for q in group)
        for name in sorted({q.id for q in group}) if len(group) > 1 else ():
            rejected.append(Rejected(id=name, reason="duplicate_id", detail=f"found {places}"))
    return single, rejected


def _without_guesses(
    questions: list[RawQuestion], rejected: list[Rejected]
) -> tuple[list[RawQuestion], list[Rejected]]:
    """Where some answers count options, a number that is also an option's text is refused."""
    if not any(refused.reason == INDEX for refused in rejected):
        return questions, []
    detail = "expected a letter: other answers of the set are numbers of options"
    guesses = [
        Rejected(id=q.id, reason="ambiguous_answer", detail=f"{q.where}: {detail}")
        for q in questions
        if q.number
    ]
    return [q for q in questions if not q.number], guesses


def _renamed(
    rejected: list[Rejected], questions: list[RawQuestion], duplicates: list[Rejected]
) -> list[Rejected]:
    """Name rejected entries by place where their id is taken: each id has one outcome."""
    taken = {q.id for q in questions} | {r.id for r in duplicates}
    renamed: list[Rejected] = []
    for refused in rejected:
        name = refused.id
        if name in taken:
            name = refused.detail.split(":")[0]
        taken.add(name)
        renamed.append(dataclasses.replace(refused, id=name))
    return renamed


def _bad_split(question: RawQuestion, taken: str) -> Rejected:
    if question.split in typing.get_args(Split):
        reason = "split_conflict"
        detail = f"{question.where}: says {question.split!r}, its video is in {taken!r}"
    else:
        reason = "bad_split"
        detail = f"{question.where}: expected base, train, val or test, found {question.split!r}"
    return Rejected(id=question.id, reason=reason, detail=detail)

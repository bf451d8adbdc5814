"""The row types: one frozen dataclass for every boundary between two stages.

A row knows its Arrow schema (`schema_of`) and converts both ways (`to_table`, `from_table`).
Units stand in the names; shapes and ranges in the field comments; `__post_init__` holds
the invariants, so a bad row can't be made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import types
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa

from storm.errors import DataError

Split = Literal["base", "train", "test"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _check(ok: bool, message: str) -> None:
    if not ok:
        raise DataError(message)


@dataclass(frozen=True, kw_only=True)
class VideoSample:
    """One question about one video."""

    id: str  # the question; unique in a question set
    video_id: str  # the video; several questions may share it
    video_path: str  # relative to the source's root
    video_sha256: str
    split: Split
    question: str
    options: tuple[str, ...]  # texts without letters; empty for an open question
    answer: str  # a letter (A = options[0]) if there are options, else a text

    def __post_init__(self):
        _check(bool(self.id), f"expected an id, found {self.id = }")
        _check(bool(self.question.strip()), f"expected a question, found {self.question = }")
        _check(bool(self.answer.strip()), f"expected an answer, found {self.answer = }")
        if self.options:
            valid = LETTERS[: len(self.options)]
            _check(
                len(self.answer) == 1 and self.answer in valid,
                f"expected the answer to be one letter of {valid}, found {self.answer = }",
            )


KeyframeReason = Literal[
    "first",
    "shot",
    "motion_onset",
    "motion_peak",
    "motion_end",
    "rest",
    "coverage",
    "query",
    "last",
]


@dataclass(frozen=True, kw_only=True)
class Keyframes:
    """The frames of one video that a teacher looks at, in order of time."""

    id: str  # the video_id
    pts_seconds: tuple[float, ...]  # increasing
    reasons: tuple[str, ...]  # a KeyframeReason each
    scores: tuple[float, ...]  # strength of the reason, 0 to 1
    images: tuple[bytes, ...]  # JPEG, upright
    duration_seconds: float

    def __post_init__(self):
        n = len(self.pts_seconds)
        _check(n > 0, "expected at least one keyframe, found none")
        _check(
            len(self.reasons) == len(self.scores) == len(self.images) == n,
            f"expected {n} reasons, scores and images, found "
            f"{len(self.reasons)}, {len(self.scores)}, {len(self.images)}",
        )
        _check(
            all(a < b for a, b in zip(self.pts_seconds, self.pts_seconds[1:], strict=False)),
            f"expected increasing times, found {self.pts_seconds = }",
        )


@dataclass(frozen=True, kw_only=True)
class ThoughtPrompt:
    """What a teacher tells the generator to draw for one question."""

    id: str  # the question
    video_id: str
    prompt: str  # the video prompt, or a world's script
    steps: tuple[str, ...]  # what changes, step by step
    teacher: str  # name of the teacher
    saw_answer: bool  # whether the teacher was shown the answer (it leaks into the targets)

    def __post_init__(self):
        _check(bool(self.prompt.strip()), f"expected a prompt, found {self.prompt = }")


@dataclass(frozen=True, kw_only=True)
class ThoughtVideo:
    """A generated clip, stored as H.264 mp4."""

    id: str  # the question
    blob: str  # path of the mp4, relative to the artifact
    sha256: str
    frames: int
    fps: float
    height_px: int
    width_px: int
    seed: int

    def __post_init__(self):
        _check(self.frames > 0, f"expected at least one frame, found {self.frames = }")


@dataclass(frozen=True, kw_only=True)
class VideoFeatures:
    """What the student's frozen vision tower and merger make of one video's sampled frames."""

    id: str  # the video_id
    tokens: np.ndarray  # (merged tokens, hidden)
    grid_thw: tuple[int, int, int]  # patches in time, height and width before merging
    pts_seconds: tuple[float, ...]  # of the sampled frames


@dataclass(frozen=True, kw_only=True)
class LatentTarget:
    """What the K latent states of one question are aligned with."""

    id: str  # the question
    latents: np.ndarray  # (K, hidden)

    def __post_init__(self):
        _check(self.latents.ndim == 2, f"expected (K, hidden), found {self.latents.shape = }")
        _check(
            bool(np.isfinite(self.latents).all()),
            "expected finite target latents, found NaN or infinity",
        )


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder with a trained (or imported) student."""

    id: str
    blob: str  # folder, relative to the artifact
    sha256: str  # over names, sizes and contents of its files
    optimizer_steps: int
    final_loss: float  # NaN if nothing was trained
    metrics: str  # JSON: the loss curve and what else training reports


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A student's answer to one question under one intervention."""

    id: str  # question id and intervention, joined by '#'
    question_id: str
    video_id: str
    intervention: str
    response: str
    predicted: str  # extracted letter, empty if none could be
    answer: str
    correct: bool
    donor_answer: str  # what the donor's latents say, as a letter of this question; '' if none


@dataclass(frozen=True, kw_only=True)
class Response:
    """What a student says to one question of a benchmark."""

    id: str  # the question
    prompt: str  # the user's turn, after the video
    response: str  # all that was generated
    prompt_tokens: int  # with the video's
    answer_tokens: int
    frames: int  # that it was shown
    confidence: float  # probability of the answer's first token

    def __post_init__(self):
        _check(0 <= self.confidence <= 1, f"expected a probability, found {self.confidence = }")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long one part of an answer takes at batch 1."""

    id: str  # mode and part, joined by '/'
    mode: str
    part: str  # decode, vision, prefill, latents, answer or total
    median_seconds: float
    p95_seconds: float
    n: int  # questions

    def __post_init__(self):
        _check(
            0 <= self.median_seconds <= self.p95_seconds,
            f"expected a median below p95, found {self.median_seconds}, {self.p95_seconds}",
        )


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of the results."""

    id: str  # arm and measure, joined by '/'
    arm: str
    measure: str
    value: float  # 0 to 1
    low: float  # 95 % interval, clustered by video
    high: float
    n: int  # questions
    seed: int

    def __post_init__(self):
        _check(
            math.isnan(self.value) or self.low <= self.value <= self.high,
            f"expected low <= value <= high, found {self.low}, {self.value}, {self.high}",
        )


Row = TypeVar("Row")

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    bytes: pa.binary(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def _arrow_type(annotation: Any) -> pa.DataType:
    if annotation in _SCALARS:
        return _SCALARS[annotation]
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return pa.string()
    if origin is tuple:
        return pa.list_(_arrow_type(args[0]))
    if isinstance(origin, types.UnionType):
        return _arrow_type(args[0])
    raise TypeError(f"no Arrow type for {annotation!r}")


def _hints(row_type: type) -> dict[str, Any]:
    return typing.get_type_hints(row_type)


def _is_array(annotation: Any) -> bool:
    return annotation is np.ndarray


def to_table(rows: Sequence[Any]) -> pa.Table:
    """Rows of one type as an Arrow table.

    An array field of one shape becomes a FixedSizeList column (read zero-copy); arrays of
    several shapes become bytes beside a `<name>_shape` column. The element type and the shape
    stand in the field's metadata.
    """
    row_type = type(rows[0])
    columns: list[pa.Array] = []
    fields: list[pa.Field] = []
    for name, annotation in _hints(row_type).items():
        values = [getattr(row, name) for row in rows]
        if not _is_array(annotation):
            kind = _arrow_type(annotation)
            fields.append(pa.field(name, kind))
            columns.append(pa.array(values, kind))
            continue
        dtype = values[0].dtype
        if any(v.dtype != dtype for v in values):
            raise DataError(f"expected one element type in {name}, found several")
        shapes = {v.shape for v in values}
        meta = {"dtype": str(dtype)}
        if len(shapes) == 1 and values[0].size:  # Arrow has no lists of fixed size 0
            meta["shape"] = json.dumps(values[0].shape)
            flat = pa.array(np.concatenate([v.reshape(-1) for v in values]))
            columns.append(pa.FixedSizeListArray.from_arrays(flat, values[0].size))
            fields.append(pa.field(name, columns[-1].type, metadata=meta))
        else:
            columns.append(pa.array([v.tobytes() for v in values], pa.large_binary()))
            fields.append(pa.field(name, pa.large_binary(), metadata=meta))
            columns.append(pa.array([list(v.shape) for v in values], pa.list_(pa.int64())))
            fields.append(pa.field(f"{name}_shape", columns[-1].type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def column_as_numpy(table: pa.Table, name: str) -> list[np.ndarray]:
    """An array column as one read-only view a row, without copying."""
    field = table.schema.field(name)
    dtype = np.dtype(field.metadata[b"dtype"].decode())
    views: list[np.ndarray] = []
    for i, chunk in enumerate(table.column(name).chunks):
        if b"shape" in field.metadata:
            shape = json.loads(field.metadata[b"shape"])
            views.extend(chunk.flatten().to_numpy(zero_copy_only=True).reshape(-1, *shape))
        else:
            shapes = table.column(f"{name}_shape").chunk(i).to_pylist()
            _, offsets, data = chunk.buffers()
            ends = np.frombuffer(offsets, np.int64)[chunk.offset :]
            content = np.frombuffer(data or b"", np.uint8)
            content.flags.writeable = False
            for start, end, shape in zip(ends, ends[1:], shapes):
                views.append(content[start:end].view(dtype).reshape(shape))
    return views


def from_table(table: pa.Table, row_type: type[Row]) -> list[Row]:
    """The inverse of `to_table`."""
    hints = _hints(row_type)
    columns: dict[str, Sequence[Any]] = {}
    for name, annotation in hints.items():
        if name not in table.column_names:
            raise DataError(
                f"expected a column {name!r} for {row_type.__name__}, found {table.column_names}"
            )
        if _is_array(annotation):
            columns[name] = column_as_numpy(table, name)
        elif typing.get_origin(annotation) is tuple:
            columns[name] = [tuple(v) for v in table.column(name).to_pylist()]
        else:
            columns[name] = table.column(name).to_pylist()
    return [
        row_type(**dict(zip(hints, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]


def digest_of(row: Any) -> str:
    """sha256 of a row's content; the same in every process."""
    digest = hashlib.sha256(type(row).__name__.encode())
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        digest.update(f"\0{field.name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An item that can't be made: what becomes its quarantine entry."""

    id: str
    reason: str  # a slug, e.g. `empty_file`
    detail: str  # one line for a person

"""The row types: one frozen dataclass for every boundary between two stages.

Units stand in the names; shapes and ranges in the field comments; `__post_init__` holds
the invariants, so a bad row can't be made. numpy has no bfloat16: an array of uint16 holds its
bits. `storm.artifacts.arrow` turns rows into Arrow tables and back.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from storm.config import LETTERS, Split
from storm.errors import DataError


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


def _is_finite(array: np.ndarray) -> bool:
    if array.dtype == np.uint16:  # bits of bfloat16: all ones in the exponent are NaN or infinity
        return bool((array & 0x7F80 != 0x7F80).all())
    return bool(np.isfinite(array).all())


@dataclass(frozen=True, kw_only=True)
class LatentTarget:
    """What the K latent states of one question are aligned with."""

    id: str  # the question
    latents: np.ndarray  # (K, hidden)

    def __post_init__(self):
        _check(self.latents.ndim == 2, f"expected (K, hidden), found {self.latents.shape = }")
        _check(_is_finite(self.latents), "expected finite target latents, found NaN or infinity")


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

    id: str  # unique; made of question_id and intervention, never parsed
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

    id: str  # unique; made of the four below, never parsed
    arm: str  # storm, direct, shuffled or chance
    variant: str  # other videos, e.g. `4 swaps`; '' for the profile's own
    measure: Literal["accuracy", "follows_donor"]
    condition: str  # the intervention on the latents
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


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An item that can't be made: what becomes its quarantine entry."""

    id: str
    reason: str  # a slug, e.g. `empty_file`
    detail: str  # one line for a person


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

"""The row types: one frozen dataclass for each boundary between two stages.

Units are part of the names, shapes and ranges of the field docs. `__post_init__` checks the
invariants and raises DataError, so a bad row can't be made. An array of uint16 holds bfloat16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from storm.config import LETTERS, Split
from storm.errors import DataError
from storm.row_values import brief_repr, is_finite


@dataclass(frozen=True, kw_only=True)
class VideoSample:
    """One question about one video.

    Attributes:
        id: The question; unique in a question set.
        video_id: The video; several questions may share it.
        video_path: Path of the video file, relative to the root of its source.
        video_sha256: Digest of the video file.
        split: What the question is for.
        question: The question, without its options.
        options: Texts of the options, without letters; empty for an open question.
        answer: A letter (A is `options[0]`) if there are options, else a text.
        cluster: Intervals take the questions of one cluster for dependent; empty for the video's.
    """

    id: str
    video_id: str
    video_path: str
    video_sha256: str
    split: Split
    question: str
    options: tuple[str, ...]
    answer: str
    cluster: str = ""

    def __post_init__(self):
        object.__setattr__(self, "cluster", self.cluster or self.video_id)
        for name in ("id", "question", "answer"):
            text = getattr(self, name)
            if not text or (name != "id" and not text.strip()):
                raise DataError(f"expected text in {name}, found {text!r}")
        letters = LETTERS[: len(self.options)]
        if self.options and not (len(self.answer) == 1 and self.answer in letters):
            raise DataError(f"expected answer to be one letter of {letters}, found {self.answer!r}")


Measure = Literal[
    "accuracy", "follows_donor", "follows_donor_if_other", "guess_accuracy", "steps", "difference"
]


@dataclass(frozen=True, kw_only=True)
class Keyframes:
    """The frames of one video that are shown to a teacher, in order of time.

    Attributes:
        id: The video.
        pts_seconds: Presentation time of each frame, increasing.
        reasons: Why each frame was chosen: `first`, `rest`, ..., or one of your own selector.
        scores: How strong each reason is, 0 to 1.
        images: Each frame, upright, as JPEG.
        duration_seconds: Length of the video.
    """

    id: str
    pts_seconds: tuple[float, ...]
    reasons: tuple[str, ...]
    scores: tuple[float, ...]
    images: tuple[bytes, ...]
    duration_seconds: float

    __repr__ = brief_repr

    def __post_init__(self):
        n = len(self.pts_seconds)
        if n == 0:
            raise DataError("expected at least one keyframe, found none")
        lengths = (len(self.reasons), len(self.scores), len(self.images))
        if set(lengths) != {n}:
            raise DataError(f"expected {n} reasons, scores and images, found {lengths}")
        if not all(a < b for a, b in zip(self.pts_seconds, self.pts_seconds[1:], strict=False)):
            raise DataError(f"expected increasing pts_seconds, found {self.pts_seconds}")


@dataclass(frozen=True, kw_only=True)
class ThoughtPrompt:
    """What a teacher (the prompt LLM) asks the generator to draw for one question.

    Attributes:
        id: The question.
        video_id: The video it is about.
        prompt: The video prompt, or a script that only its own generator reads.
        steps: What changes, step by step.
        teacher: Name of the teacher.
        saw_answer: Whether the teacher was shown the answer, which then leaks into the targets.
    """

    id: str
    video_id: str
    prompt: str
    steps: tuple[str, ...]
    teacher: str
    saw_answer: bool

    def __post_init__(self):
        if not self.prompt.strip():
            raise DataError(f"expected text in prompt, found {self.prompt!r}")


@dataclass(frozen=True, kw_only=True)
class ThoughtVideo:
    """A generated clip, stored as H.264 mp4.

    Attributes:
        id: The question.
        blob: Path of the mp4, relative to the artifact.
        sha256: Digest of the mp4.
        frames: Number of frames, at least 1.
        fps: Frames per second.
        height_px: Height of a frame.
        width_px: Width of a frame.
        seed: Seed that the generator was given.
    """

    id: str
    blob: str
    sha256: str
    frames: int
    fps: float
    height_px: int
    width_px: int
    seed: int

    def __post_init__(self):
        if self.frames < 1:
            raise DataError(f"expected at least one frame, found {self.frames}")


@dataclass(frozen=True, kw_only=True)
class VideoFeatures:
    """Output of the student's frozen vision encoder and merger for one video's sampled frames.

    Attributes:
        id: The video.
        tokens: (merged tokens, hidden).
        grid_thw: Patches in time, height and width, before merging.
        pts_seconds: Presentation time of each sampled frame.
    """

    id: str
    tokens: np.ndarray
    grid_thw: tuple[int, int, int]
    pts_seconds: tuple[float, ...]

    __repr__ = brief_repr


@dataclass(frozen=True, kw_only=True)
class LatentTarget:
    """The target of one question's K latent states.

    Attributes:
        id: The question.
        latents: (K, hidden), finite.
    """

    id: str
    latents: np.ndarray

    __repr__ = brief_repr

    def __post_init__(self):
        if self.latents.ndim != 2:
            raise DataError(f"expected latents of shape (K, hidden), found {self.latents.shape}")
        if not is_finite(self.latents):
            raise DataError("expected finite latents, found NaN or infinity")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A folder with a trained or imported student.

    Attributes:
        id: Name of the checkpoint.
        blob: The folder, relative to the artifact.
        sha256: Digest of the names and contents of its files.
        optimizer_steps: Steps of the training; 0 for an imported one.
        final_loss: Loss of the last step; NaN if nothing was trained.
        metrics: JSON: the loss curve and what else the training reports.
    """

    id: str
    blob: str
    sha256: str
    optimizer_steps: int
    final_loss: float
    metrics: str


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A student's answer to one question under one intervention.

    Attributes:
        id: Unique; made of question_id and intervention, never parsed.
        question_id: The question.
        video_id: Its video.
        cluster: The question's cluster (see VideoSample).
        intervention: What was done to the latents.
        response: All the text that was generated.
        steps: Passes of the model after the prompt: latents, and tokens of the response.
        predicted: The letter extracted from the response; empty if there is none.
        answer: The right letter or text.
        correct: Whether the prediction is right.
        donor_answer: The letter or text that follows from the donor's latents; empty if unknown.
        guess_accuracy: What theory says of the accuracy under `sweeps:T`, or NaN.
    """

    id: str
    question_id: str
    video_id: str
    cluster: str
    intervention: str
    response: str
    steps: int
    predicted: str
    answer: str
    correct: bool
    donor_answer: str
    guess_accuracy: float


@dataclass(frozen=True, kw_only=True)
class Response:
    """A student's response to one question of a benchmark.

    Attributes:
        id: The question.
        prompt: The user's turn, after the video.
        response: All the text that was generated.
        prompt_tokens: Length of the prompt, video included.
        answer_tokens: Length of the response.
        frames: Number of frames the student was shown.
        confidence: Probability of the answer's first token.
    """

    id: str
    prompt: str
    response: str
    prompt_tokens: int
    answer_tokens: int
    frames: int
    confidence: float

    def __post_init__(self):
        if not 0 <= self.confidence <= 1:
            raise DataError(f"expected a probability as confidence, found {self.confidence}")


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Duration of one part of an answer at batch size 1.

    Attributes:
        id: Mode and part, joined by '/'.
        mode: How the student answers.
        part: `decode`, `vision`, `prefill`, `latents`, `answer` or `total`.
        median_seconds: Median over the questions.
        p95_seconds: 95th percentile over the questions.
        n: Number of questions.
    """

    id: str
    mode: str
    part: str
    median_seconds: float
    p95_seconds: float
    n: int

    def __post_init__(self):
        low, high = self.median_seconds, self.p95_seconds
        if not 0 <= low <= high:
            raise DataError(f"expected 0 <= median_seconds <= p95_seconds, found {low}, {high}")


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of the results.

    Attributes:
        id: Unique; made of kind, arm, measure, condition and against, never parsed.
        kind: The kind of question; empty for all.
        arm: The arm's name, or `chance`.
        role: What the arm says in the verdict.
        measure: What the value is a share of; `_if_other`: where the own answer is another one.
            `steps` is a mean, and `difference` is the accuracy minus that of `against`.
        condition: The intervention on the latents.
        against: The other arm of a difference, without an intervention; empty for the rest.
        value: 0 to 1; of a difference -1 to 1.
        low, high: Ends of the 95 % interval, clustered as the questions are.
        n: Number of questions.
        clusters: Number of their clusters.
        p: Of a difference, two-sided and corrected for all of its kind; NaN for the rest.
        seed: Seed of the interval's resampling.
    """

    id: str
    kind: str
    arm: str
    role: str
    measure: Measure
    condition: str
    against: str
    value: float
    low: float
    high: float
    n: int
    clusters: int
    p: float
    seed: int

    def __post_init__(self):
        if not (math.isnan(self.value) or self.low <= self.value <= self.high):
            found = self.low, self.value, self.high
            raise DataError(f"expected low <= value <= high, found {found}")


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """An item that can't be made; it becomes an entry of the quarantine.

    Attributes:
        id: The item.
        reason: A slug, e.g. `empty_file`.
        detail: One line for a person.
    """

    id: str
    reason: str
    detail: str

"""A benchmark's questions with the prompts of a student; answers and latency share them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storm.artifacts.fs import digest
from storm.artifacts.hash_cache import cached_sha256, cached_sha256_tree
from storm.benchmarks.benchmark import Benchmark, get_benchmark
from storm.benchmarks.types import BenchmarkQuestion, DatasetLocation, LoadedQuestions, Prompt
from storm.config import FrozenModel
from storm.errors import ConfigError, DataError
from storm.plugins import component_errors
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames

if TYPE_CHECKING:
    from storm.student import Question


class BenchmarkQuery(FrozenModel):
    """A benchmark's questions, with the prompt and the frames that a student gets."""

    kind: str  # the benchmark's name or import path
    location: DatasetLocation
    sampling: FrameSampling
    prompt: str  # its id
    limit: int | None = None  # only the first questions

    def identity(self) -> dict[str, Any]:
        """Return what decides a question's answer; `digest` covers which questions there are."""
        return {"kind": self.kind, "sampling": self.sampling, "prompt": self.prompt}

    @property
    def benchmark(self) -> Benchmark:
        """The benchmark. Not cached: a query is pickled, and rules may be closures."""
        return get_benchmark(self.kind)

    def load(self) -> LoadedQuestions:
        """Return the data set, read from disk by the first call."""
        return self._loaded

    def questions(self) -> dict[str, BenchmarkQuestion]:
        """Return the questions by id, up to the limit."""
        return self._questions

    def digests(self) -> dict[str, str]:
        """Return a digest of each question's prompt and video file, by id."""
        return self._digests

    @cached_property
    def _loaded(self) -> LoadedQuestions:
        expected = f"expected questions of {self.kind!r} in {self.location.where!r}"
        with component_errors(expected, DataError):
            return self.benchmark.dataset.load(self.location)

    @cached_property
    def _questions(self) -> dict[str, BenchmarkQuestion]:
        return {q.id: q for q in self._loaded.questions[: self.limit]}

    @cached_property
    def _digests(self) -> dict[str, str]:
        return {q.id: self._digest(q) for q in self._questions.values()}

    def _digest(self, question: BenchmarkQuestion) -> str:
        with component_errors(f"expected a prompt {self.prompt!r} of {self.kind!r}"):
            prompt = self.prompt_of(question, None)
        path = question.video
        video = "" if path is None else _sha256(path)
        clip = [question.clip_seconds, question.frames_fps]
        return digest([prompt.text, prompt.system, video, clip])

    def digest(self) -> str:
        """Return a digest of all questions."""
        return digest(self._digests)

    def prompt_of(self, question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
        """Return a question's prompt.

        Args:
            question: One of this query.
            pts_seconds: The times of the frames; None: not known yet.

        Raises:
            ConfigError: If the prompt begins the answer, which students can't continue.
        """
        _, make_prompt = self.benchmark.pick_prompt(self.prompt)
        prompt = make_prompt(question, pts_seconds)
        if prompt.prefill:
            raise ConfigError(
                f"expected a prompt that lets the student begin its answer, found {self.prompt!r}, "
                f"which begins it with {prompt.prefill!r}: take another of {self.kind}'s"
            )
        return prompt

    def for_student(self, question: BenchmarkQuestion, frames: VideoFrames | None) -> Question:
        """Return the question in the student's form; `frames` is None without a video."""
        from storm.student import Question

        videos = () if frames is None else (frames,)
        prompt = self.prompt_of(question, None if frames is None else frames.pts_seconds)
        return Question(prompt.text, videos, raw=True, system=prompt.system or None)


def segment_of(question: BenchmarkQuestion) -> Segment | None:
    """Return the part of a file that a question shows; None if it has no video."""
    if question.video is None:
        return None
    return Segment(question.video.absolute(), question.clip_seconds, question.frames_fps)


def _sha256(video: Path) -> str:
    return cached_sha256_tree(video) if video.is_dir() else cached_sha256(video)

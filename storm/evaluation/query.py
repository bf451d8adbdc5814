"""What a student is asked of a benchmark, and how: shared by its answers and their latency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict

from storm.artifacts.fs import digest
from storm.artifacts.hash_cache import cached_sha256, cached_sha256_tree
from storm.artifacts.stage import Context, Stage, not_identity
from storm.artifacts.store import Store
from storm.benchmarks.benchmark import Benchmark, get_benchmark
from storm.benchmarks.types import BenchmarkQuestion, DatasetLocation, LoadedQuestions, Prompt
from storm.config import Dtype
from storm.errors import ConfigError, DataError
from storm.records import Checkpoint
from storm.videos.decoding.prefetch import Decoded
from storm.videos.decoding.sampling import FrameSampling, Look

if TYPE_CHECKING:
    from storm.student import Answering, Reply, Student
    from storm.student import Question as Asked

T = TypeVar("T")


class CheckpointFolder(BaseModel):
    """A checkpoint that no stage made; its content is the identity, not its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str

    def identity(self) -> dict[str, str]:
        return {}

    @property
    def sha256(self) -> str:
        return cached_sha256_tree(Path(self.path))


AnyCheckpoint = Stage[Checkpoint] | CheckpointFolder


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The part of an evaluation stage that says what is asked; a mix-in of dataclass fields."""

    checkpoint: AnyCheckpoint
    benchmark: str
    source: DatasetLocation
    sampling: FrameSampling
    dtype: Dtype
    prompt: str  # its id
    limit: int | None = not_identity(None)  # the first ones alone

    @cached_property
    def about(self) -> Benchmark:
        return get_benchmark(self.benchmark)

    @cached_property
    def loaded(self) -> LoadedQuestions:
        """The data set as it was found; read once, also by the children."""
        return self.about.dataset.load(self.source)

    @cached_property
    def questions(self) -> dict[str, BenchmarkQuestion]:
        return {q.id: q for q in self.loaded.questions[: self.limit]}

    @cached_property
    def asked(self) -> dict[str, str]:
        """For each question a digest of its prompt and its video."""
        return {q.id: self._digest(q) for q in self.questions.values()}

    def _digest(self, question: BenchmarkQuestion) -> str:
        prompt, path = self.prompt_of(question, None), question.video
        video = "" if path is None else _sha256(path)
        look = [question.clip_seconds, question.frames_fps]
        return digest([prompt.text, prompt.system, video, look])

    def outside(self) -> dict[str, Any]:
        found: dict[str, Any] = {"questions": digest(self.asked)}
        if isinstance(self.checkpoint, CheckpointFolder):
            found["checkpoint"] = self.checkpoint.sha256
        return found

    def weights(self, store: Store) -> tuple[str, ...]:
        """Digests of the checkpoint."""
        if isinstance(self.checkpoint, CheckpointFolder):
            return (self.checkpoint.sha256,)
        return tuple(self.checkpoint.artifact(store).index().values())

    def checkpoint_path(self, store: Store) -> Path:
        if isinstance(self.checkpoint, CheckpointFolder):
            return Path(self.checkpoint.path)
        (row,) = self.checkpoint.rows(store)
        return self.checkpoint.artifact(store).path / row.blob

    def prompt_of(self, question: BenchmarkQuestion, pts_seconds: Sequence[float] | None) -> Prompt:
        _, make = self.about.pick_prompt(self.prompt)
        prompt = make(question, pts_seconds)
        if prompt.prefill:
            raise ConfigError(
                f"expected a prompt that lets the student begin its answer, found {self.prompt!r}, "
                f"which begins it with {prompt.prefill!r}: take another of {self.benchmark}'s"
            )
        return prompt

    @contextmanager
    def student(self, context: Context, ids: Sequence[str]) -> Iterator[Student]:
        """The checkpoint, loaded, without gradients; shards share the machine's devices."""
        import torch

        from storm.student import Student

        device = context.runtime.device
        count = torch.get_device_module(device).device_count()
        if count > 1:
            shard = next(i.shard for i in context.artifact.plan().items if i.id == ids[0])
            device = f"{device}:{shard % count}"
        path = self.checkpoint_path(context.store)
        with torch.inference_mode():
            yield Student.from_pretrained(path, dtype=self.dtype, device=device).eval()

    def to_ask(self, question: BenchmarkQuestion, shown: Decoded | None) -> Asked:
        """The benchmark's question as the student's; `shown` are frames, None without a video."""
        from storm.student import Frames
        from storm.student import Question as Asked

        frames = () if shown is None else (Frames(shown.pixels, shown.pts_seconds, shown.seconds),)
        prompt = self.prompt_of(question, None if shown is None else shown.pts_seconds)
        return Asked(prompt.text, frames, raw=True, system=prompt.system or None)


def look_of(question: BenchmarkQuestion) -> Look | None:
    """Where a question's video lies; None if it has none."""
    if question.video is None:
        return None
    return Look(question.video.absolute(), question.clip_seconds, question.frames_fps)


def windows(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """The items, `size` at a time."""
    source = iter(items)
    while window := list(islice(source, size)):
        yield window


def replies_to(answering: Answering, asked: Sequence[Asked]) -> list[Reply | DataError]:
    """One batch's replies; one that is refused, or too large for the device, is halved."""
    import torch

    try:
        return list(answering.stream(map(answering.prepare, asked), batch=len(asked)))
    except DataError as error:
        refused = error
    except torch.OutOfMemoryError as error:
        refused = DataError(f"out of memory alone in its batch: {str(error).partition('.')[0]}")
    if len(asked) == 1:
        return [refused]
    half = len(asked) // 2
    return [reply for part in (asked[:half], asked[half:]) for reply in replies_to(answering, part)]


def _sha256(video: Path) -> str:
    return cached_sha256_tree(video) if video.is_dir() else cached_sha256(video)

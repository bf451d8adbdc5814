"""A benchmark in a profile or a command, and the stages that evaluate it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.types import DatasetLocation
from storm.config import Dtype, FrozenModel
from storm.evaluation.checkpoints import AnyCheckpoint
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.evaluation.query import BenchmarkQuery
from storm.llm_client import ChatConfig
from storm.student.modes import NEW_TOKENS, Mode
from storm.videos.decoding.sampling import FrameSampling


class BenchmarkConfig(FrozenModel):
    """Questions to ask and how to score answers; None is as in training, or the default."""

    kind: str  # videomme, mvbench, tempcompass, mmvu, own, shell, or an import path
    # '': named by the benchmark and the prompt
    name: Annotated[str, Field(pattern=r"^[^/\\]*$")] = ""
    data: str  # the data set's folder (or file), or its hub id
    videos: str | None = None  # their folder, if it is another
    revision: str | None = None  # of the hub's repository
    modes: tuple[Mode, ...] = Field(("latent", "direct"), min_length=1)
    prompt: str | None = None
    frames: PositiveInt | None = None  # with `fps`, at most
    fps: PositiveFloat | None = None
    size_px: PositiveInt | None = None
    max_pixels: PositiveInt | None = None
    max_new_tokens: PositiveInt | None = None  # None: the benchmark's, or more if the mode needs it
    limit: PositiveInt | None = None  # only the first questions
    latency: NonNegativeInt = 20  # questions to measure it with; 0: none
    scorer: str | None = None
    unwrap_answer: bool = False
    judge: ChatConfig | None = None  # a server that decides what rules can't

    @property
    def title(self) -> str:
        """The name in tables and of the report's folder.

        Raises:
            ConfigError: If there is no such benchmark.
        """
        return self.name or " ".join(filter(None, (get_benchmark(self.kind).name, self.prompt)))

    def query(self, trained: FrameSampling | None) -> BenchmarkQuery:
        """Return the questions as a checkpoint is asked them.

        Args:
            trained: The sampling that the checkpoint was trained with, if known.

        Raises:
            ConfigError: If there is no such benchmark or prompt, or no sampling.
        """
        from storm.student.sampling import changed_sampling

        prompt, _ = get_benchmark(self.kind).pick_prompt(self.prompt)
        bounds = (self.frames, self.fps, self.size_px, self.max_pixels)
        return BenchmarkQuery(
            kind=self.kind,
            location=DatasetLocation(where=self.data, videos=self.videos, revision=self.revision),
            sampling=changed_sampling(trained, *bounds),
            prompt=prompt,
            limit=self.limit,
        )

    def build(
        self,
        checkpoint: AnyCheckpoint,
        trained: FrameSampling | None,
        dtype: Dtype,
        device: str,
        shards: int = 1,
    ) -> tuple[tuple[EvaluationStage, ...], LatencyStage | None]:
        """Return an evaluation for each mode, and latency after them if it is wanted.

        Raises:
            ConfigError: If there is no such benchmark, prompt or scorer.
        """
        benchmark = get_benchmark(self.kind)
        benchmark.pick_scorer(self.scorer)
        query = self.query(trained)
        tokens: dict[Mode, int] = {
            mode: self.max_new_tokens or max(benchmark.max_new_tokens, NEW_TOKENS[mode])
            for mode in self.modes
        }
        evaluations = tuple(
            EvaluationStage(
                checkpoint=checkpoint,
                query=query,
                dtype=dtype,
                mode=mode,
                max_new_tokens=max_new_tokens,
                shards=shards,
                label=f"{self.title} {mode}",
            )
            for mode, max_new_tokens in tokens.items()
        )
        if not self.latency:
            return evaluations, None
        return evaluations, LatencyStage(
            checkpoint=checkpoint,
            query=query,
            dtype=dtype,
            modes=tuple(tokens),
            max_new_tokens=tuple(tokens.values()),
            device=device,
            count=self.latency,
            after=evaluations,
            label=self.title,
        )

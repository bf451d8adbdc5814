"""One benchmark as a profile or a command names it, and the stages that come of it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.types import DatasetLocation
from storm.config import Dtype
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.evaluation.query import AnyCheckpoint
from storm.llm_client import ChatConfig
from storm.student.modes import NEW_TOKENS, Mode
from storm.videos.decoding.sampling import FrameSampling


class BenchmarkConfig(BaseModel):
    """What to ask and how to score it; what is None is as in training, or the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str  # videomme, mvbench, tempcompass, mmvu, own, shell
    # what to call it, if not by kind and prompt
    name: Annotated[str, Field(pattern=r"^[^/\\]*$")] = ""
    data: str  # the data set's folder (or file), or its hub id
    videos: str | None = None  # their folder, if they lie elsewhere
    revision: str | None = None  # of the hub's repository
    modes: tuple[Mode, ...] = Field(("latent", "direct"), min_length=1)
    prompt: str | None = None
    frames: PositiveInt | None = None  # with `fps`, at most
    fps: PositiveFloat | None = None
    size_px: PositiveInt | None = None
    max_pixels: PositiveInt | None = None
    max_new_tokens: PositiveInt | None = None  # None: the benchmark's, or more if the mode needs it
    limit: PositiveInt | None = None  # the first questions alone
    latency: NonNegativeInt = 20  # questions to measure it with; 0: don't
    scorer: str | None = None
    unwrap_answer: bool = False
    judge: ChatConfig | None = None  # a server for what rules can't decide

    @property
    def title(self) -> str:
        return self.name or " ".join(filter(None, (self.kind, self.prompt)))

    def build(
        self,
        checkpoint: AnyCheckpoint,
        trained: FrameSampling | None,
        dtype: Dtype,
        device: str,
        shards: int = 1,
    ) -> tuple[tuple[EvaluationStage, ...], LatencyStage | None]:
        """An evaluation for each mode; latency, measured after them, if it is wanted.

        Raises ConfigError if there is no such benchmark, prompt or scorer.
        """
        from storm.student.predictor import changed_sampling

        about = get_benchmark(self.kind)
        about.pick_scorer(self.scorer)
        bounds = (self.frames, self.fps, self.size_px, self.max_pixels)
        asked: dict[str, Any] = {
            "checkpoint": checkpoint,
            "benchmark": self.kind,
            "source": DatasetLocation(where=self.data, videos=self.videos, revision=self.revision),
            "sampling": changed_sampling(trained, *bounds),
            "dtype": dtype,
            "prompt": about.pick_prompt(self.prompt)[0],
            "limit": self.limit,
        }
        tokens: dict[Mode, int] = {
            mode: self.max_new_tokens or max(about.max_new_tokens, NEW_TOKENS[mode])
            for mode in self.modes
        }
        evaluations = tuple(
            EvaluationStage(
                **asked,
                mode=mode,
                max_new_tokens=most,
                shards=shards,
                label=f"{self.title} {mode}",
            )
            for mode, most in tokens.items()
        )
        if not self.latency:
            return evaluations, None
        return evaluations, LatencyStage(
            **asked,
            modes=tuple(tokens),
            max_new_tokens=tuple(tokens.values()),
            device=device,
            count=self.latency,
            after=evaluations,
            label=self.title,
        )

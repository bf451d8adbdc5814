"""The whole pipeline in one drawing: `assemble(config)` turns a profile into a graph of stages.

videos --+-> keyframes -> thought_prompts -> thought_videos --+
         |                                                    v
         +-> base --------------------------------------> latent_targets
         |     |                                              v
         +-----+-> video_features -----> stage_one -> stage_two -> predictions -> results
                                   `---> direct, shuffled, ... -> predictions --^
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.evaluation.predictions import Change, PredictionsStage
from storm.evaluation.results import ResultsStage
from storm.features.video_features import VideoFeaturesStage
from storm.keyframes.stage import KeyframesStage
from storm.latent_targets.stage import LatentTargetsStage, PooledTargetsStage, ThoughtFeaturesStage
from storm.pipeline.config import DirectArm, PipelineConfig, ShellSource
from storm.pipeline.graph import Graph
from storm.records import Checkpoint
from storm.shell_game.videos import Counts, ShellVideos
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_videos.stage import ThoughtVideosStage
from storm.training.spec import AnswerPhase, check_training
from storm.training.stage import Base, Direct, ShellBase, StageOne, StageTwo, Training
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import QuestionVideos, VideoStage


@dataclass(frozen=True)
class Asked:
    """A benchmark of a profile: an evaluation for each mode, and latency after them."""

    benchmark: BenchmarkConfig
    evaluations: tuple[EvaluationStage, ...]
    latency: LatencyStage | None


def benchmark_stages(config: PipelineConfig, checkpoint: Stage[Checkpoint]) -> Iterator[Asked]:
    """What the profile's benchmarks ask of a checkpoint."""
    titles = Counter(benchmark.title for benchmark in config.benchmarks)
    for title, times in titles.items():
        if times > 1:
            raise ConfigError(
                f"expected benchmarks of different names, found {title!r} {times} times: give each "
                "a `name`"
            )
    shards = config.shards.get(EvaluationStage.name, max(1, config.runtime.gpus))
    for benchmark in config.benchmarks:
        how = (config.sampling, config.dtype, config.runtime.device, shards)
        yield Asked(benchmark, *benchmark.build(checkpoint, *how))


def assemble(config: PipelineConfig) -> Graph:
    """Every stage of a profile; the last is `results`."""
    return _Drawing(config).graph()


class _Drawing:
    def __init__(self, config: PipelineConfig):
        self.config = config

    def how(self, name: str, label: str = "") -> dict[str, Any]:
        return {
            "shards": self.config.shards.get(name, 1),
            "quarantine_share": self.config.quarantine_share,
            "label": label,
        }

    def graph(self) -> Graph:
        config = self.config
        self.check_time_steps()
        self.check_batches()
        videos = self.videos()
        base = self.base(videos)
        features = self.features(videos, base, config.sampling)
        targets = self.targets(videos, base)

        arms: list[tuple[str, PredictionsStage]] = []
        arms.append(("storm", self.storm(base, videos, features, targets, "")))
        if config.arms.direct is not None:
            arms += self.direct(config.arms.direct, base, videos, features)
        if config.arms.shuffled:
            arms.append(("shuffled", self.storm(base, videos, features, targets, "shuffled")))
        results = ResultsStage(
            videos, tuple(p for _, p in arms), tuple(a for a, _ in arms), config.seed
        )
        asked = [
            stage
            for one in benchmark_stages(config, arms[0][1].checkpoint)
            for stage in (*one.evaluations, one.latency)
            if stage is not None
        ]
        graph = Graph.of(base, *asked, results)  # the base first: most waits for it
        names = sorted({stage.name for stage in graph})
        if unknown := sorted(config.shards.keys() - names):
            raise ConfigError(f"expected stages of {names} in `shards`, found {unknown}")
        return graph

    def check_time_steps(self) -> None:
        """Refuse a K that thought videos can't be pooled to, before anything is made."""
        student = self.config.student
        patch = student.vision.temporal_patch if isinstance(student, TinyConfig) else 2  # Qwen's
        steps = -(-self.config.thought_sampling.frames // patch)  # the last one is padded
        self.config.pooling.check(student.latent.k, steps)

    def check_batches(self) -> None:
        """Refuse batches that the ranks can't share, before anything is made."""
        config, arms = self.config, self.config.arms
        direct = [arms.direct.phase] if arms.direct else []
        phases = (*config.curriculum, *arms.stage_one, *arms.stage_two, *direct)
        check_training(phases, config.runtime, config.dtype)

    def videos(self) -> VideoStage:
        source, how = self.config.videos, self.how("videos")
        if isinstance(source, ShellSource):
            counts = source.counts.model_copy(update={"base": 0})  # those are the base's own
            return ShellVideos(source.world, self.config.seed, counts, **how)
        return QuestionVideos(source, **how)

    def base(self, videos: VideoStage) -> Training:
        config, how = self.config, self.how("base")
        parts = (config.curriculum, config.seed, config.dtype, config.student, config.sampling)
        if not config.curriculum:
            return Base(*parts, **how)
        if not isinstance(config.videos, ShellSource) or not isinstance(videos, ShellVideos):
            raise ConfigError(
                "expected `videos: {kind: shell}` for a profile with a curriculum, found another "
                "source: leave `curriculum` empty"
            )
        counts = Counts(base=config.videos.counts.base, train=0, test=0)
        own = replace(videos, counts=counts, label="base")
        return ShellBase(*parts, own, **how)

    def features(
        self, videos: VideoStage, base: Training, sampling: FrameSampling
    ) -> VideoFeaturesStage:
        how = self.how("video_features", videos.label)
        return VideoFeaturesStage(videos, base, sampling, self.config.dtype, **how)

    def targets(self, videos: VideoStage, base: Training) -> LatentTargetsStage:
        config = self.config
        keyframes = KeyframesStage(videos, config.keyframes, **self.how("keyframes"))
        prompts = ThoughtPromptsStage(
            videos, keyframes, config.teacher, **self.how("thought_prompts")
        )
        clips = ThoughtVideosStage(
            videos,
            keyframes,
            prompts,
            config.generator,
            config.quality,
            seed=config.seed,
            **self.how("thought_videos"),
        )
        seen = (clips, base, config.thought_sampling, config.dtype)
        pooled = (*seen, config.student.latent.k, config.pooling)
        if not config.keep_tokens:
            return LatentTargetsStage(*pooled, **self.how("latent_targets"))
        features = ThoughtFeaturesStage(*seen, **self.how("thought_features"))
        return PooledTargetsStage(*pooled, features, **self.how("latent_targets"))

    def storm(
        self,
        base: Training,
        videos: VideoStage,
        features: VideoFeaturesStage,
        targets: LatentTargetsStage,
        label: Literal["", "shuffled"],
    ) -> PredictionsStage:
        config = self.config
        rest = (config.seed, config.dtype)
        data = (videos, features, config.option_orders, config.arms.lora)
        one = StageOne(
            config.arms.stage_one,
            *rest,
            base,
            *data,
            targets,
            label or "own",
            **self.how("stage_one", label),
        )
        two = StageTwo(config.arms.stage_two, *rest, one, *data, **self.how("stage_two", label))
        interventions = config.arms.interventions if not label else ("none",)
        return self.predictions(two, videos, features, "latent", label, interventions)

    def direct(
        self, arm: DirectArm, base: Training, videos: VideoStage, features: VideoFeaturesStage
    ) -> Iterator[tuple[str, PredictionsStage]]:
        """The arm `direct` at each rate, and on easier worlds as `direct/<swaps>`."""
        for rate in arm.learning_rates:
            phase = arm.phase.model_copy(update={"learning_rate": rate})
            made = self.direct_run(phase, base, videos, features, f"at {rate:g}")
            yield "direct", made
            if isinstance(videos, ShellVideos):
                yield f"direct/{videos.world.swaps}", made
        sampling = self.config.sampling
        for easier in arm.easier:
            if not isinstance(videos, ShellVideos):
                raise ConfigError("expected `easier` worlds only with `videos: {kind: shell}`")
            if easier.swaps > videos.world.beats:
                raise ConfigError(
                    f"expected easier worlds of at most {videos.world.beats} swaps, one a beat, "
                    f"found {easier.swaps}: correct arms.direct.easier"
                )
            label = f"{easier.swaps} swaps"
            world = videos.world.model_copy(update={"swaps": easier.swaps, "beats": easier.swaps})
            shown = replace(videos, world=world, counts=easier.counts, label=label)
            phase = arm.phase.model_copy(
                update={"learning_rate": arm.learning_rates[0], "steps": easier.steps}
            )
            frames = sampling.frames * world.frames // videos.world.frames  # as dense in time
            seen = self.features(shown, base, sampling.model_copy(update={"frames": frames}))
            yield f"direct/{easier.swaps}", self.direct_run(phase, base, shown, seen, label)

    def direct_run(
        self,
        phase: AnswerPhase,
        base: Training,
        videos: VideoStage,
        features: VideoFeaturesStage,
        label: str,
    ) -> PredictionsStage:
        trained = Direct(
            (phase,),
            self.config.seed,
            self.config.dtype,
            base,
            videos,
            features,
            self.config.option_orders,
            self.config.arms.lora,
            **self.how("direct", label),
        )
        return self.predictions(trained, videos, features, "direct", f"direct {label}")

    def predictions(
        self,
        checkpoint: Training,
        videos: VideoStage,
        features: VideoFeaturesStage,
        mode: Literal["direct", "latent"],
        label: str,
        interventions: tuple[Change, ...] = ("none",),
    ) -> PredictionsStage:
        return PredictionsStage(
            checkpoint,
            videos,
            features,
            mode,
            self.config.dtype,
            interventions,
            self.config.max_new_tokens,
            self.config.seed,
            **self.how("predictions", label),
        )

"""Build the graph of stages from a profile.

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
from dataclasses import dataclass
from typing import Literal

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.config import BenchmarkConfig
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.evaluation.predictions import NO_INTERVENTION, PredictionsStage
from storm.evaluation.results import ArmLabel, ResultsStage
from storm.features.video_features import VideoFeaturesStage
from storm.keyframes.stage import KeyframesStage
from storm.latent_targets.stage import LatentTargetsStage, PooledTargetsStage, ThoughtFeaturesStage
from storm.pipeline.config import DirectArm, EasierVideos, PipelineConfig
from storm.pipeline.graph import Graph
from storm.pipeline.sources import CurriculumSource, GradedSource, StageOptions
from storm.records import Checkpoint
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_videos.stage import ThoughtVideosStage
from storm.training.spec import AnswerPhase, check_training
from storm.training.stage import Base, Direct, StageOne, StageTwo, Training
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.questions.sources import Questions
from storm.videos.stage import QuestionVideos, VideoStage


@dataclass(frozen=True)
class TrainingData:
    """Videos, their features, and the base whose vision tower made those."""

    base: Training
    videos: VideoStage
    features: VideoFeaturesStage


@dataclass(frozen=True)
class BenchmarkStages:
    """A benchmark of a profile: an evaluation for each mode, and latency after them."""

    benchmark: BenchmarkConfig
    evaluations: tuple[EvaluationStage, ...]
    latency: LatencyStage | None


def assemble(config: PipelineConfig) -> Graph:
    """Return every stage of a profile; the last one is `results`.

    Raises:
        ConfigError: If the profile asks for something that can't be made.
    """
    check_time_steps(config)
    check_batches(config)
    videos = build_videos(config)
    base = build_base(config)
    data = TrainingData(base, videos, build_features(config, base, videos, config.sampling))
    targets = build_targets(config, base, videos)

    storm = build_storm(config, data, targets)
    arms = [(ArmLabel(name="storm"), storm), *build_direct(config, data)]
    if config.arms.shuffled:
        shuffled = build_storm(config, data, targets, shuffled=True)
        arms.append((ArmLabel(name="shuffled"), shuffled))
    results = ResultsStage(
        videos=videos,
        predictions=tuple(predictions for _, predictions in arms),
        arms=tuple(label for label, _ in arms),
        seed=config.seed,
    )
    benchmarks: list[Stage] = []
    for stages in benchmark_stages(config, storm.checkpoint):
        benchmarks += stages.evaluations
        if stages.latency is not None:
            benchmarks.append(stages.latency)
    graph = Graph.of(base, *benchmarks, results)  # the base first: most stages wait for it
    check_shards(config, graph)
    return graph


def check_time_steps(config: PipelineConfig) -> None:
    """Refuse a K that thought videos can't be pooled to. Raises ConfigError."""
    student = config.student
    patch = student.vision.temporal_patch if isinstance(student, TinyConfig) else 2  # Qwen's
    steps = -(-config.thought_sampling.frames // patch)  # the last patch is padded
    config.pooling.check(student.latent.k, steps)


def check_batches(config: PipelineConfig) -> None:
    """Refuse batches that can't be divided among the ranks. Raises ConfigError."""
    arms = config.arms
    direct = [arms.direct.phase] if arms.direct else []
    phases = (*config.curriculum, *arms.stage_one, *arms.stage_two, *direct)
    check_training(phases, config.runtime, config.dtype)


def check_shards(config: PipelineConfig, graph: Graph) -> None:
    """Refuse `shards` of stages that the graph doesn't have. Raises ConfigError."""
    names = sorted({stage.name for stage in graph})
    if unknown := sorted(config.shards.keys() - names):
        raise ConfigError(f"expected stages of {names} in `shards`, found {unknown}")


def stage_options(config: PipelineConfig, stage: type[Stage], label: str = "") -> StageOptions:
    """Return how the profile runs a stage."""
    return StageOptions(
        label=label,
        shards=config.shards.get(stage.name, 1),
        quarantine_share=config.quarantine_share,
    )


def build_videos(config: PipelineConfig) -> VideoStage:
    """Return the stage that makes or reads the questions and their videos."""
    source, options = config.videos, stage_options(config, VideoStage)
    if isinstance(source, Questions):
        return QuestionVideos(source=source, **options)
    return source.build(config.seed, **options)


def build_base(config: PipelineConfig) -> Training:
    """Return the stage that makes the student which all variants start from."""
    base = Base(
        phases=config.curriculum,
        seed=config.seed,
        dtype=config.dtype,
        student=config.student,
        sampling=config.sampling,
        **stage_options(config, Base),
    )
    if not config.curriculum:
        return base
    if not isinstance(config.videos, CurriculumSource):
        raise ConfigError(
            "expected a source of `videos` that has data for a curriculum, found another one: "
            "leave `curriculum` empty"
        )
    return config.videos.build_base(base, **stage_options(config, VideoStage))


def build_features(
    config: PipelineConfig, base: Training, videos: VideoStage, sampling: FrameSampling
) -> VideoFeaturesStage:
    """Return the stage that encodes videos with the base's vision tower."""
    return VideoFeaturesStage(
        videos=videos,
        base=base,
        sampling=sampling,
        dtype=config.dtype,
        **stage_options(config, VideoFeaturesStage, videos.label),
    )


def build_targets(config: PipelineConfig, base: Training, videos: VideoStage) -> LatentTargetsStage:
    """Return the stage that makes latent targets, on top of all that thought videos need."""
    keyframes = KeyframesStage(
        videos=videos, selector=config.keyframes, **stage_options(config, KeyframesStage)
    )
    prompts = ThoughtPromptsStage(
        videos=videos,
        keyframes=keyframes,
        teacher=config.teacher,
        **stage_options(config, ThoughtPromptsStage),
    )
    thought_videos = ThoughtVideosStage(
        videos=videos,
        keyframes=keyframes,
        prompts=prompts,
        generator=config.generator,
        quality=config.quality,
        seed=config.seed,
        **stage_options(config, ThoughtVideosStage),
    )
    if not config.keep_tokens:
        return LatentTargetsStage(
            thought_videos=thought_videos,
            base=base,
            sampling=config.thought_sampling,
            dtype=config.dtype,
            k=config.student.latent.k,
            pooling=config.pooling,
            **stage_options(config, LatentTargetsStage),
        )
    features = ThoughtFeaturesStage(
        thought_videos=thought_videos,
        base=base,
        sampling=config.thought_sampling,
        dtype=config.dtype,
        **stage_options(config, ThoughtFeaturesStage),
    )
    return PooledTargetsStage(
        thought_videos=thought_videos,
        base=base,
        sampling=config.thought_sampling,
        dtype=config.dtype,
        k=config.student.latent.k,
        pooling=config.pooling,
        features=features,
        **stage_options(config, PooledTargetsStage),
    )


def build_storm(
    config: PipelineConfig,
    data: TrainingData,
    targets: LatentTargetsStage,
    *,
    shuffled: bool = False,
) -> PredictionsStage:
    """Return the predictions of a student after Stage I and Stage II."""
    label = "shuffled" if shuffled else ""
    stage_one = StageOne(
        phases=config.arms.stage_one,
        seed=config.seed,
        dtype=config.dtype,
        init_from=data.base,
        videos=data.videos,
        features=data.features,
        option_orders=config.option_orders,
        lora=config.arms.lora,
        targets=targets,
        targets_from="shuffled" if shuffled else "own",
        **stage_options(config, StageOne, label),
    )
    stage_two = StageTwo(
        phases=config.arms.stage_two,
        seed=config.seed,
        dtype=config.dtype,
        init_from=stage_one,
        videos=data.videos,
        features=data.features,
        option_orders=config.option_orders,
        lora=config.arms.lora,
        **stage_options(config, StageTwo, label),
    )
    interventions = ("none",) if shuffled else config.arms.interventions
    return build_predictions(config, data, stage_two, "latent", label, interventions)


def build_direct(
    config: PipelineConfig, data: TrainingData
) -> Iterator[tuple[ArmLabel, PredictionsStage]]:
    """Yield the arm `direct` at each rate, and its variants by level."""
    arm = config.arms.direct
    if arm is None:
        return
    for rate in arm.learning_rates:
        phase = arm.phase.model_copy(update={"learning_rate": rate})
        predictions = _direct_run(config, data, phase, f"at {rate:g}")
        yield ArmLabel(name="direct"), predictions
        if isinstance(config.videos, GradedSource):
            yield ArmLabel(name="direct", variant=config.videos.level_name), predictions
    for easier in arm.easier:
        yield _easier_run(config, data, arm, easier)


def _easier_run(
    config: PipelineConfig, data: TrainingData, arm: DirectArm, easier: EasierVideos
) -> tuple[ArmLabel, PredictionsStage]:
    if not isinstance(config.videos, GradedSource):
        raise ConfigError(
            "expected a source of `videos` that has easier ones, found another one: leave "
            "arms.direct.easier empty"
        )
    source = config.videos.easier(easier.model_extra or {})
    options = stage_options(config, VideoStage, source.level_name)
    videos = source.build(config.seed, **options)
    sampling = config.sampling
    frames = sampling.frames * source.frames_per_video // config.videos.frames_per_video
    as_dense = sampling.model_copy(update={"frames": frames})
    features = build_features(config, data.base, videos, as_dense)
    changes = {"learning_rate": arm.learning_rates[0], "steps": easier.steps}
    predictions = _direct_run(
        config,
        TrainingData(data.base, videos, features),
        arm.phase.model_copy(update=changes),
        source.level_name,
    )
    return ArmLabel(name="direct", variant=source.level_name), predictions


def _direct_run(
    config: PipelineConfig, data: TrainingData, phase: AnswerPhase, label: str
) -> PredictionsStage:
    direct = Direct(
        phases=(phase,),
        seed=config.seed,
        dtype=config.dtype,
        init_from=data.base,
        videos=data.videos,
        features=data.features,
        option_orders=config.option_orders,
        lora=config.arms.lora,
        **stage_options(config, Direct, label),
    )
    return build_predictions(config, data, direct, "direct", f"direct {label}")


def build_predictions(
    config: PipelineConfig,
    data: TrainingData,
    checkpoint: Training,
    mode: Literal["direct", "latent"],
    label: str,
    interventions: tuple[str, ...] = (NO_INTERVENTION,),
) -> PredictionsStage:
    """Return a checkpoint's answers to the test questions."""
    return PredictionsStage(
        checkpoint=checkpoint,
        videos=data.videos,
        features=data.features,
        mode=mode,
        dtype=config.dtype,
        interventions=interventions,
        max_new_tokens=config.max_new_tokens,
        seed=config.seed,
        **stage_options(config, PredictionsStage, label),
    )


def benchmark_stages(
    config: PipelineConfig, checkpoint: Stage[Checkpoint]
) -> Iterator[BenchmarkStages]:
    """Yield the evaluations of a checkpoint on each of the profile's benchmarks."""
    titles = Counter(benchmark.title for benchmark in config.benchmarks)
    for title, times in titles.items():
        if times > 1:
            raise ConfigError(
                f"expected benchmarks of different names, found {title!r} {times} times: give each "
                "a `name`"
            )
    shards = config.shards.get(EvaluationStage.name, max(1, config.runtime.gpus))
    for benchmark in config.benchmarks:
        evaluations, latency = benchmark.build(
            checkpoint, config.sampling, config.dtype, config.runtime.device, shards
        )
        yield BenchmarkStages(benchmark, evaluations, latency)

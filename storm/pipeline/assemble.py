"""Build the graph of stages from a profile.

videos --+-> keyframes -> thought_prompts -> thought_videos --+
         |                                                    v
         +-> base --------------------------------------> latent_targets
         |     |                                              v
         +-----+-> video_features -----> stage_one -> stage_two -> predictions -> results
                                   `---> direct, shuffled, ... -> predictions --^
"""

from __future__ import annotations

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.results import ArmLabel, ResultsStage
from storm.features.thought_features import ThoughtFeaturesStage
from storm.keyframes.stage import KeyframesStage
from storm.latent_targets.stage import LatentTargetsStage, PooledTargetsStage
from storm.pipeline.arms import TrainingData, build_direct, build_features, build_storm
from storm.pipeline.benchmarks import benchmark_stages
from storm.pipeline.config import PipelineConfig
from storm.pipeline.graph import Graph
from storm.pipeline.options import stage_options
from storm.pipeline.sources import CurriculumSource
from storm.plugins import component_errors
from storm.student.tiny.tiny import TinyConfig
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_videos.stage import ThoughtVideosStage
from storm.training.spec import check_training
from storm.training.stage import Base, TrainingStage
from storm.videos.questions.sources import QuestionSource
from storm.videos.stage import QuestionVideos, VideoStage


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


def build_videos(config: PipelineConfig) -> VideoStage:
    """Return the stage that makes or reads the questions and their videos."""
    source, options = config.videos, stage_options(config, VideoStage)
    if isinstance(source, QuestionSource):
        return QuestionVideos(source=source, **options)
    with component_errors(f"expected a stage of videos from the source {source.kind!r}"):
        return source.build(config.seed, **options)


def build_base(config: PipelineConfig) -> TrainingStage:
    """Return the stage that makes the student that all arms start from."""
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


def build_targets(
    config: PipelineConfig, base: TrainingStage, videos: VideoStage
) -> LatentTargetsStage:
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

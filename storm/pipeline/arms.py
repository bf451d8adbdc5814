"""The arms that a profile compares: STORM, its control, and direct fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from storm.errors import ConfigError
from storm.evaluation.intervention_names import of_each_step
from storm.evaluation.predictions import NO_INTERVENTION, PredictionsStage
from storm.evaluation.results import ArmLabel
from storm.features.video_features import VideoFeaturesStage
from storm.latent_targets.stage import LatentTargetsStage
from storm.pipeline.config import DirectArm, EasierVideos, PipelineConfig
from storm.pipeline.options import stage_options
from storm.pipeline.sources import GradedSource
from storm.training.spec import AnswerPhase
from storm.training.stage import Direct, StageOne, StageTwo, TrainingStage
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.stage import VideoStage


@dataclass(frozen=True)
class TrainingData:
    """Videos, their features, and the base whose vision encoder made those."""

    base: TrainingStage
    videos: VideoStage
    features: VideoFeaturesStage


def build_features(
    config: PipelineConfig, base: TrainingStage, videos: VideoStage, sampling: FrameSampling
) -> VideoFeaturesStage:
    """Return the stage that encodes videos with the base's vision encoder."""
    return VideoFeaturesStage(
        videos=videos,
        base=base,
        sampling=sampling,
        dtype=config.dtype,
        **stage_options(config, VideoFeaturesStage, videos.label),
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
    checkpoint: TrainingStage,
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
        interventions=of_each_step(interventions, config.student.latent.k),
        max_new_tokens=config.max_new_tokens,
        seed=config.seed,
        **stage_options(config, PredictionsStage, label),
    )

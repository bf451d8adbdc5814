"""An arm: a profile's stages from its videos to its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storm.artifacts.stage import Stage
from storm.errors import ConfigError
from storm.evaluation.intervention_names import ORACLE, of_each_step
from storm.evaluation.predictions import PredictionsStage
from storm.features.thought_features import ThoughtFeaturesStage
from storm.features.video_features import VideoFeaturesStage
from storm.keyframes.stage import KeyframesStage
from storm.latent_targets.stage import LatentTargetsStage, PooledTargetsStage
from storm.pipeline.config import PipelineConfig
from storm.pipeline.interning import Interning
from storm.pipeline.options import stage_options
from storm.pipeline.sources import CurriculumSource, StageOptions
from storm.plugins import component_errors
from storm.thought_prompts.stage import ThoughtPromptsStage
from storm.thought_videos.stage import ThoughtVideosStage
from storm.training.spec import PhaseConfig
from storm.training.stage import (
    Base,
    ChainOfThought,
    FineTuning,
    QuestionTraining,
    StageOne,
    StageTwo,
    TrainingStage,
)
from storm.videos.questions.sources import QuestionSource
from storm.videos.stage import QuestionVideos, VideoStage


@dataclass(frozen=True)
class Arm:
    """A profile and what answers its test questions."""

    config: PipelineConfig
    base: TrainingStage
    checkpoint: TrainingStage
    predictions: PredictionsStage


class ArmBuilder:
    """Builds the stages of one arm; those that equal an earlier arm's are that arm's.

    Args:
        config: The arm's whole profile.
        intern: Returns the earlier one of equal stages.
        label: Tells the arm's own stages from those of the main arm; '' for that one.
        start: The student that the training starts from; None: the base.
    """

    def __init__(
        self,
        config: PipelineConfig,
        intern: Interning,
        label: str = "",
        start: TrainingStage | None = None,
    ):
        self.config, self.intern, self.label = config, intern, label
        self.videos: VideoStage = intern(self._videos())
        self.base: TrainingStage = intern(self._base())
        self.start = start or self.base
        self.features = intern(
            VideoFeaturesStage(
                videos=self.videos,
                base=self.base,
                sampling=config.sampling,
                dtype=config.dtype,
                **self._options(VideoFeaturesStage),
            )
        )

    def build(self) -> Arm:
        """Return the arm, trained and asked as its profile says."""
        config = self.config
        checkpoint = self._checkpoint()
        oracle = ORACLE in config.interventions
        predictions = self.intern(
            PredictionsStage(
                checkpoint=checkpoint,
                videos=self.videos,
                features=self.features,
                targets=self.targets() if oracle else None,
                mode=config.training.mode,
                dtype=config.dtype,
                interventions=of_each_step(config.interventions, config.latent.k),
                max_new_tokens=config.max_new_tokens,
                seed=config.seed,
                **self._options(PredictionsStage),
            )
        )
        return Arm(config, self.base, checkpoint, predictions)

    def targets(self) -> LatentTargetsStage:
        """Return the stage of latent targets, on top of all that thought videos need."""
        config, prompts = self.config, self._prompts()
        thought_videos = self.intern(
            ThoughtVideosStage(
                videos=self.videos,
                keyframes=prompts.keyframes,
                prompts=prompts,
                generator=config.generator,
                quality=config.quality,
                seed=config.seed,
                **self._options(ThoughtVideosStage),
            )
        )
        encoding: dict[str, Any] = {
            "thought_videos": thought_videos,
            "base": self.base,
            "sampling": config.thought_sampling,
            "dtype": config.dtype,
        }
        pooling: dict[str, Any] = {"k": config.latent.k, "pooling": config.pooling}
        if not config.keep_tokens:
            options = self._options(LatentTargetsStage)
            return self.intern(LatentTargetsStage(**encoding, **pooling, **options))
        options = self._options(ThoughtFeaturesStage)
        features = self.intern(ThoughtFeaturesStage(**encoding, **options))
        options = self._options(PooledTargetsStage)
        return self.intern(PooledTargetsStage(**encoding, **pooling, features=features, **options))

    def _prompts(self) -> ThoughtPromptsStage:
        config = self.config
        keyframes = self.intern(
            KeyframesStage(
                videos=self.videos,
                selector=config.keyframes,
                splits=config.target_splits,
                share=config.thought_share,
                **self._options(KeyframesStage),
            )
        )
        return self.intern(
            ThoughtPromptsStage(
                videos=self.videos,
                keyframes=keyframes,
                teacher=config.teacher,
                base=self.base,
                **self._options(ThoughtPromptsStage),
            )
        )

    def _checkpoint(self) -> TrainingStage:
        training = self.config.training
        if training.mode == "direct":
            return self._train(FineTuning, training.fine_tuning, self.start)
        if training.mode == "cot":
            prompts = self._prompts()
            return self._train(ChainOfThought, training.fine_tuning, self.start, prompts=prompts)
        student, latent = self.start, training.latent
        if training.stage_one:
            student = self._train(
                StageOne,
                training.stage_one,
                student,
                latent=latent,
                targets=self.targets(),
                targets_from=training.targets_from,
            )
        if training.stage_two:
            student = self._train(StageTwo, training.stage_two, student, latent=latent)
        return student

    def _train(
        self,
        kind: type[QuestionTraining],
        phases: Sequence[PhaseConfig],
        start: TrainingStage,
        **fields: Any,
    ) -> TrainingStage:
        config = self.config
        scale = config.training.rate_scale
        return self.intern(
            kind(
                phases=tuple(scaled(phase, scale) for phase in phases),
                seed=config.seed,
                dtype=config.dtype,
                init_from=start,
                videos=self.videos,
                features=self.features,
                option_orders=config.option_orders,
                lora=config.training.lora,
                **fields,
                **self._options(kind),
            )
        )

    def _videos(self) -> VideoStage:
        source, options = self.config.videos, self._options(VideoStage)
        if isinstance(source, QuestionSource):
            return QuestionVideos(source=source, **options)
        with component_errors(f"expected a stage of videos from the source {source.kind!r}"):
            return source.build(self.config.seed, **options)

    def _base(self) -> TrainingStage:
        """Return the stage that makes the student before any question is asked."""
        config = self.config
        base = Base(
            phases=config.curriculum,
            seed=config.seed,
            dtype=config.dtype,
            student=config.student,
            sampling=config.sampling,
            **self._options(Base),
        )
        if not config.curriculum:
            return base
        if not isinstance(config.videos, CurriculumSource):
            raise ConfigError(
                "expected a source of `videos` that has data for a curriculum, found another one: "
                "leave `curriculum` empty"
            )
        return config.videos.build_base(base, **self._options(VideoStage))

    def _options(self, stage: type[Stage[Any]]) -> StageOptions:
        return stage_options(self.config, stage, self.label)


def scaled(phase: PhaseConfig, factor: float) -> PhaseConfig:
    """Return a phase with its learning rate times `factor`."""
    return phase.model_copy(update={"learning_rate": phase.learning_rate * factor})

"""The stages that say whether targets are worth training on: nothing among them trains."""

from __future__ import annotations

from typing import get_args

from storm.artifacts.store import Store
from storm.errors import ConfigError, DataError
from storm.pipeline.arms import ArmBuilder
from storm.pipeline.assemble import check_time_steps
from storm.pipeline.config import PipelineConfig
from storm.pipeline.interning import Interning
from storm.target_check.scores import TargetScoresStage
from storm.training.spec import TargetsFrom
from storm.videos.stage import VideoStage


def targets_config(config: PipelineConfig, name: str) -> PipelineConfig:
    """Return a profile that has the targets of that name.

    Args:
        config: The profile.
        name: `own`, `shuffled`, `mean` or `gaussian`, or an arm of the profile or its study.

    Raises:
        ConfigError: If there are no such targets.
    """
    controls, arms = get_args(TargetsFrom), {**config.arms, **config.study}
    if name in controls:
        training = config.training.model_copy(update={"targets_from": name})
        config = config.model_copy(update={"training": training})
    elif name in arms:
        config = arms[name]
    else:
        raise ConfigError(f"expected targets of {[*controls, *arms]}, found {name!r}")
    if not config.latent.k:
        raise ConfigError(f"expected targets of latent states, found {name!r} with K = 0")
    check_time_steps(config)
    return config


def videos_stage(config: PipelineConfig) -> VideoStage:
    """Return the stage of a profile's questions."""
    return ArmBuilder(config, Interning()).videos


def share_of(questions: int, videos: VideoStage, store: Store) -> float:
    """Return the share of the validation videos that has about so many questions.

    Args:
        questions: How many to check.
        videos: The sealed stage of all questions.
        store: Where it is.

    Raises:
        DataError: If there is no validation question.
    """
    found = sum(sample.split == "val" for sample in videos.rows(store))
    if not found:
        raise DataError(
            "expected questions of the split `val` to check targets with, found none: mark some, "
            "or set videos.val_share"
        )
    return min(1.0, questions / found)


def check_stage(config: PipelineConfig, share: float) -> TargetScoresStage:
    """Return the stage that scores a profile's targets on its validation questions.

    Args:
        config: The profile; its `training.targets_from` says whose targets a question gets.
        share: Of the validation videos, how many get thought videos.
    """
    config = config.model_copy(update={"target_splits": ("val",), "thought_share": share})
    builder = ArmBuilder(config, Interning())
    return TargetScoresStage(
        base=builder.base,
        videos=builder.videos,
        features=builder.features,
        targets=builder.targets(),
        targets_from=config.training.targets_from,
        split="val",
        dtype=config.dtype,
        seed=config.seed,
    )

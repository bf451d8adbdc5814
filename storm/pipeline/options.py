"""How a profile runs its stages; no part of any stage's identity."""

from __future__ import annotations

from storm.artifacts.stage import Stage
from storm.pipeline.config import PipelineConfig
from storm.pipeline.sources import StageOptions


def stage_options(config: PipelineConfig, stage: type[Stage], label: str = "") -> StageOptions:
    """Return how the profile runs a stage."""
    return StageOptions(
        label=label,
        shards=config.shards.get(stage.name, 1),
        quarantine_share=config.quarantine_share,
    )

"""LTX-Video through diffusers: several keyframes, each at its own time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from storm.thought_videos.base import GeneratorRequest, keyframe_image
from storm.thought_videos.diffusers_base import (
    DiffusersConfig,
    DiffusersGenerator,
    assign_keyframes,
)


class LTXConditionConfig(DiffusersConfig):
    """Settings of LTX-Video."""

    pipeline_class: ClassVar[str] = "LTXConditionPipeline"
    frame_group: ClassVar[int] = 8
    small_tiles: ClassVar[dict[str, int]] = {
        "tile_sample_min_height": 256,
        "tile_sample_min_width": 256,
        "tile_sample_stride_height": 224,
        "tile_sample_stride_width": 224,
    }

    kind: str = "ltx_condition"
    frames: int = Field(97, ge=9)
    fps: float = Field(24.0, gt=0)
    height_px: int = Field(480, ge=32, multiple_of=32)
    width_px: int = Field(704, ge=32, multiple_of=32)
    conditions: int = Field(4, ge=1)  # keyframes at most: first, last, then by their scores
    steps: int = Field(40, ge=1)
    guidance: float = Field(3.0, ge=0)
    negative_prompt: str = "worst quality, inconsistent motion, blurry, jittery, distorted"

    def save_tiny(self, folder: Path, seed: int) -> None:
        """Write a checkpoint with random weights."""
        from storm.thought_videos.tiny_pipelines import save_tiny_ltx

        save_tiny_ltx(folder, seed)

    def build(self, device: str = "cpu") -> LTXConditionGenerator:
        """Return the generator, with its pipeline loaded."""
        return LTXConditionGenerator(self, device)


class LTXConditionGenerator(DiffusersGenerator[LTXConditionConfig]):
    """Gives the pipeline several keyframes at their times."""

    Config = LTXConditionConfig

    def batch_key(self, request: GeneratorRequest) -> tuple[int, ...]:
        """Return the keyframes' frame indices: a batch shares them."""
        return tuple(self._assigned(request))

    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        """Return the images and the settings of this family."""
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        plans = [self._assigned(request) for request in requests]
        conditions = []
        for index in plans[0]:
            pictures: Any = [  # one a clip of the batch
                keyframe_image(request, plan[index], self.config)
                for request, plan in zip(requests, plans, strict=True)
            ]
            conditions.append(LTXVideoCondition(image=pictures, frame_index=index))
        return {
            "conditions": conditions,
            "frame_rate": self.config.fps,
            "max_sequence_length": min(256, self.pipeline.tokenizer_max_length),
        }

    def _assigned(self, request: GeneratorRequest) -> dict[int, int]:
        return assign_keyframes(request.keyframes, self.config.frames, self.config.conditions)

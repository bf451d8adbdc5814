"""Wan VACE through diffusers: keyframes at their times are kept, the frames between are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from storm.thought_videos.base import GeneratorRequest, keyframe_image
from storm.thought_videos.diffusers_base import assign_keyframes
from storm.thought_videos.wan import WanConfig, WanPipelineGenerator


class WanVACEConfig(WanConfig):
    """Settings of Wan VACE."""

    pipeline_class: ClassVar[str] = "WanVACEPipeline"

    kind: str = "wan_vace"
    conditions: int = Field(8, ge=1)  # keyframes at most: first, last, then by their scores
    batch: int = Field(1, ge=1, le=1)  # the pipeline takes one prompt at a time

    def save_tiny(self, folder: Path, seed: int) -> None:
        """Write a checkpoint with random weights."""
        from storm.thought_videos.tiny_pipelines import save_tiny_vace

        save_tiny_vace(folder, seed)

    def build(self, device: str = "cpu") -> WanVACEGenerator:
        """Return the generator, with its pipeline loaded."""
        return WanVACEGenerator(self, device)


class WanVACEGenerator(WanPipelineGenerator[WanVACEConfig]):
    """Gives the pipeline keyframes at their times, and masks of what to keep."""

    Config = WanVACEConfig

    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        """Return a gray video that holds the keyframes, and a mask that is black over them.

        No reference images: VACE takes those for a subject that may look otherwise in the clip.
        """
        import torch
        from PIL import Image

        (request,) = requests
        config = self.config
        size = (config.width_px, config.height_px)
        video = [Image.new("RGB", size, (128, 128, 128))] * config.frames
        mask = [Image.new("L", size, 255)] * config.frames
        for index, i in assign_keyframes(
            request.keyframes, config.frames, config.conditions
        ).items():
            video[index] = keyframe_image(request, i, config)
            mask[index] = Image.new("L", size, 0)
        return {
            "video": video,
            "mask": mask,
            "prompt": request.prompt.prompt,
            "negative_prompt": config.negative_prompt,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "guidance_scale_2": config.guidance_2,
        }

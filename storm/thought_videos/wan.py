"""Wan image to video through diffusers: the first keyframe, and for some models the last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from storm.errors import ConfigError
from storm.thought_videos.base import GeneratorRequest, keyframe_image
from storm.thought_videos.diffusers_base import DiffusersConfig, DiffusersGenerator


class WanConfig(DiffusersConfig):
    """Settings that all Wan models have."""

    packages: ClassVar[tuple[str, ...]] = ("diffusers", "ftfy")
    frame_group: ClassVar[int] = 4
    in_float32: ClassVar[tuple[str, ...]] = ("vae",)
    small_tiles: ClassVar[dict[str, int]] = {
        "tile_sample_min_height": 128,
        "tile_sample_min_width": 128,
        "tile_sample_stride_height": 96,
        "tile_sample_stride_width": 96,
    }

    frames: int = Field(81, ge=5)
    fps: float = Field(16.0, gt=0)  # Wan 2.2 5B: 24
    height_px: int = Field(480, ge=16, multiple_of=16)
    width_px: int = Field(832, ge=16, multiple_of=16)
    guidance_2: float | None = Field(None, ge=0)  # Wan 2.2's low-noise transformer; None: as above
    # None: the checkpoint's. Its authors: 3 for I2V at 480p, 5 at 720p, 16 for FLF2V and VACE
    flow_shift: float | None = Field(None, gt=0)


WanConfigT = TypeVar("WanConfigT", bound=WanConfig)


class WanPipelineGenerator(DiffusersGenerator[WanConfigT]):
    """Base of the Wan generators."""

    def prepare(self) -> None:
        """Set the flow shift; refuse a size or guidance that the pipeline would not keep to."""
        pipeline, config = self.pipeline, self.config
        transformer = pipeline.transformer or pipeline.transformer_2
        multiple = pipeline.vae_scale_factor_spatial * transformer.config.patch_size[1]
        if config.height_px % multiple or config.width_px % multiple:
            raise ConfigError(
                f"expected height_px and width_px in multiples of {multiple} for this checkpoint, "
                f"found {config.height_px} and {config.width_px}: correct the generator"
            )
        if config.guidance_2 is not None and pipeline.config.boundary_ratio is None:
            raise ConfigError(
                "expected a checkpoint of two transformers for guidance_2, found one without a "
                "boundary: leave generator.guidance_2 out"
            )
        if config.flow_shift is not None:
            scheduler = pipeline.scheduler
            if "flow_shift" not in scheduler.config:
                raise ConfigError(
                    f"expected a scheduler with a flow shift, found {type(scheduler).__name__}: "
                    "leave generator.flow_shift out"
                )
            pipeline.scheduler = type(scheduler).from_config(
                scheduler.config, flow_shift=config.flow_shift
            )


class WanImageToVideoConfig(WanConfig):
    """Settings of Wan image to video."""

    pipeline_class: ClassVar[str] = "WanImageToVideoPipeline"
    in_float32: ClassVar[tuple[str, ...]] = ("vae", "image_encoder")

    kind: str = "wan_i2v"
    # Wan 2.1: true for FLF2V, false for I2V; Wan 2.2: either for A14B, false for 5B
    last_frame: bool = True

    def save_tiny(self, folder: Path, seed: int) -> None:
        """Write a checkpoint with random weights."""
        from storm.thought_videos.tiny_pipelines import save_tiny_wan

        save_tiny_wan(folder, seed, last_frame=self.last_frame)

    def build(self, device: str = "cpu") -> WanGenerator:
        """Return the generator, with its pipeline loaded."""
        return WanGenerator(self, device)


class WanGenerator(WanPipelineGenerator[WanImageToVideoConfig]):
    """Gives the pipeline the first keyframe, and the last if it takes one."""

    Config = WanImageToVideoConfig

    def prepare(self) -> None:
        """Refuse a checkpoint that would fail on the last frame, or leave it out in silence."""
        super().prepare()
        transformer = (self.pipeline.transformer or self.pipeline.transformer_2).config
        needs_last = transformer.pos_embed_seq_len is not None  # of two images
        takes_last = not self.pipeline.config.expand_timesteps and (
            transformer.image_dim is None or needs_last
        )
        last = self.config.last_frame
        if (last and not takes_last) or (needs_last and not last):
            raise ConfigError(
                f"expected last_frame: {str(not last).lower()} for this checkpoint, found "
                f"{str(last).lower()}: correct generator.last_frame, or take another checkpoint"
            )

    def batch_key(self, request: GeneratorRequest) -> tuple[bytes, ...]:
        """Return the images: the pipeline takes one pair for all its prompts."""
        return tuple(request.keyframes.images[i] for i in self._places())

    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        """Return the images and the settings of this family."""
        pictures = [keyframe_image(requests[0], i, self.config) for i in self._places()]
        names = ("image", "last_image")
        return dict(zip(names, pictures)) | {"guidance_scale_2": self.config.guidance_2}

    def _places(self) -> tuple[int, ...]:
        return (0, -1) if self.config.last_frame else (0,)

"""CogVideoX image to video through diffusers: the first keyframe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from storm.errors import ConfigError
from storm.thought_videos.base import GeneratorRequest, keyframe_image
from storm.thought_videos.diffusers_base import DiffusersConfig, DiffusersGenerator


class CogVideoXConfig(DiffusersConfig):
    """Settings of CogVideoX."""

    pipeline_class: ClassVar[str] = "CogVideoXImageToVideoPipeline"
    frame_group: ClassVar[int] = 8  # an even number of latent frames decodes to another length
    small_tiles: ClassVar[dict[str, int]] = {  # in 6ths and 5ths, by which they overlap
        "tile_sample_min_height": 144,
        "tile_sample_min_width": 240,
    }

    kind: str = "cogvideox"
    frames: int = Field(49, ge=9)  # 1.5: 81
    fps: float = Field(8.0, gt=0)  # 1.5: 16
    height_px: int = Field(480, ge=16, multiple_of=16)  # 1.0 knows this size alone
    width_px: int = Field(720, ge=16, multiple_of=16)
    guidance: float = Field(6.0, ge=0)

    def save_tiny(self, folder: Path, seed: int) -> None:
        """Write a checkpoint with random weights."""
        from storm.thought_videos.tiny_pipelines import save_tiny_cogvideox

        save_tiny_cogvideox(folder, seed)

    def build(self, device: str = "cpu") -> CogVideoXGenerator:
        """Return the generator, with its pipeline loaded."""
        return CogVideoXGenerator(self, device)


class CogVideoXGenerator(DiffusersGenerator[CogVideoXConfig]):
    """Gives the pipeline the first keyframe."""

    Config = CogVideoXConfig

    def prepare(self) -> None:
        """Refuse a size that the checkpoint has learned no positions for."""
        transformer = self.pipeline.transformer.config
        scale = self.pipeline.vae_scale_factor_spatial
        learned = (transformer.sample_height * scale, transformer.sample_width * scale)
        asked = (self.config.height_px, self.config.width_px)
        if transformer.use_learned_positional_embeddings and asked != learned:
            raise ConfigError(
                f"expected height_px and width_px of {learned} for this checkpoint, found {asked}: "
                "correct the generator, or take CogVideoX 1.5"
            )

    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        """Return the images and the settings of this family."""
        return {
            "image": [keyframe_image(request, 0, self.config) for request in requests],
            "max_sequence_length": self.pipeline.transformer.config.max_text_seq_length,
        }

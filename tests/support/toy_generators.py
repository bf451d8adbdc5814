"""A diffusers generator whose pipeline does as its prompts say; children unpickle it by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from storm.thought_videos import GeneratorRequest, keyframe_image
from storm.thought_videos.diffusers_base import DiffusersConfig, DiffusersGenerator


class ScriptedPipeline(BaseModel):
    """Stands where a checkpoint stands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scripted"] = "scripted"
    failures: int = 0  # calls that find no memory before one does

    def load(self, config: DiffusersConfig) -> Pipeline:
        return Pipeline(self.failures)


class Pipeline:
    """Brightens the first keyframe from frame to frame; a word of the prompt spoils the clip."""

    def __init__(self, failures: int):
        self.failures, self.vae = failures, self
        self.said: list[str] = []  # what it was told to do for memory
        self.sizes: list[int] = []  # of the batches
        self.use_tiling, self.tile_sizes = False, ()
        self.tiled: list[tuple[int, ...] | None] = []  # sizes of the tiles at each call

    def __call__(self, prompt: list[str], image: list[Any], num_frames: int, **_: Any) -> Pipeline:
        import torch

        self.sizes.append(len(prompt))
        self.tiled.append(self.tile_sizes if self.use_tiling else None)
        self.failures -= 1
        if self.failures >= 0 or any("too large" in words for words in prompt):
            raise torch.OutOfMemoryError("tried to allocate 9 GiB\nmore")
        clips = [np.asarray(i, np.float32) / 255 for i in image]
        rise = np.arange(num_frames, dtype=np.float32)[:, None, None, None] / 50
        self.frames = [spoil(clip + rise, words) for clip, words in zip(clips, prompt)]
        return self

    def enable_tiling(self, **sizes: int) -> None:
        self.use_tiling, self.tile_sizes = True, tuple(sizes.values()) or self.tile_sizes
        self.said.append(" ".join(["tiles", *map(str, sizes.values())]))

    def enable_model_cpu_offload(self, device: str) -> None:
        self.said.append(f"model {device}")

    def enable_sequential_cpu_offload(self, device: str) -> None:
        self.said.append(f"sequential {device}")

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def spoil(clip: np.ndarray, words: str) -> np.ndarray:
    """(T, H, W, 3) floats, with the fault that `words` name."""
    if "not a number" in words:
        clip[1, 0, 0, 0] = np.nan
    elif "infinite" in words:
        clip[1, 0, 0, 0] = np.inf
    elif "black" in words:
        clip *= 0
    elif "static" in words:
        clip[:] = clip[:1]
    elif "too short" in words:
        clip = clip[1:]
    elif "unlike" in words:
        clip = 1 - clip
    return clip


class ScriptedGenerator(DiffusersGenerator):
    class Config(DiffusersConfig):
        frame_group: ClassVar[int] = 1
        small_tiles: ClassVar[dict[str, int]] = {"height": 16, "width": 32}

        kind: str = "scripted"
        pipeline: ScriptedPipeline = ScriptedPipeline()  # type: ignore[assignment]
        frames: int = 5
        device: str = "cuda"  # nothing is put there: the pipeline only notes it

        def save_tiny(self, folder: Path, seed: int) -> None:
            raise AssertionError("nothing is read")

        def build(self, device: str = "cpu") -> ScriptedGenerator:
            return ScriptedGenerator(self, self.device)

    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        return {"image": [keyframe_image(request, 0, self.config) for request in requests]}

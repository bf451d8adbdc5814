"""Base of the diffusers generators: loading, batches, seeds, fallbacks when memory runs out."""

from __future__ import annotations

import logging
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from storm.artifacts.hash_cache import COMMIT, require_weights, weights_identity
from storm.config import FrozenModel
from storm.errors import BackendMissing, ConfigError
from storm.records import Keyframes, Rejected
from storm.thought_videos.base import ClipFormat, GeneratedClip, GeneratorRequest


class TinyPipeline(FrozenModel):
    """Random weights, built on the spot: it draws noise."""

    kind: Literal["tiny_random"]
    seed: int = 0

    def load(self, config: DiffusersConfig) -> Any:
        """Return the pipeline of `config` with weights drawn from the seed."""
        with tempfile.TemporaryDirectory(prefix="storm-tiny-") as folder:
            config.save_tiny(Path(folder), self.seed)
            return _from_pretrained(folder, None, config)


class PretrainedPipeline(FrozenModel):
    """A diffusers checkpoint: a folder, or a name on the hub with its commit."""

    kind: Literal["pretrained"]
    path: str
    revision: str | None = Field(None, pattern=COMMIT)

    def identity(self) -> dict[str, Any]:
        """Return the contents of a folder, or name and commit."""
        self._require()
        return {"kind": self.kind, **weights_identity(self.path, self.revision)}

    def _require(self) -> None:
        require_weights(
            self.path,
            self.revision,
            "diffusers",
            "correct generator.pipeline.path; only kind: tiny_random draws random weights",
        )

    def load(self, config: DiffusersConfig) -> Any:
        """Return the pipeline of `config` with the checkpoint's weights.

        Raises:
            ConfigError: If there is no such checkpoint.
            BackendMissing: If a package is not installed.
        """
        self._require()
        return _from_pretrained(self.path, self.revision, config)


class DiffusersConfig(ClipFormat):
    """Settings that every family has; each family defaults to the values of its authors."""

    pipeline_class: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ("diffusers",)
    frame_group: ClassVar[int]  # a clip has a multiple of it, plus 1
    in_float32: ClassVar[tuple[str, ...]] = ()  # parts that half precision harms
    small_tiles: ClassVar[dict[str, int]]  # of the VAE, in pixels, when its own are too large

    pipeline: Annotated[TinyPipeline | PretrainedPipeline, Field(discriminator="kind")]
    steps: int = Field(50, ge=1)
    guidance: float = Field(5.0, ge=0)
    negative_prompt: str = "worst quality, blurry, overexposed, distorted, subtitles, still picture"
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    offload: Literal["none", "model", "sequential"] = "none"
    tiling: bool = False
    batch: int = Field(1, ge=1)  # clips at once; over 1 their low bits depend on neighbours

    def identity(self) -> dict[str, Any]:
        """Return all fields but `offload`, which changes no pixel; tiles blend, so they count."""
        names = set(type(self).model_fields) - {"offload"}
        return {name: getattr(self, name) for name in sorted(names)}

    @model_validator(mode="after")
    def _whole_groups(self) -> DiffusersConfig:
        if (self.frames - 1) % self.frame_group:
            raise ValueError(
                f"expected {self.frame_group} n + 1 frames for {self.kind}, found {self.frames}"
            )
        return self

    @abstractmethod
    def save_tiny(self, folder: Path, seed: int) -> None:
        """Write a checkpoint of this family with random weights."""


_OFFLOADS = ("none", "model", "sequential")


ConfigT = TypeVar("ConfigT", bound=DiffusersConfig)


class DiffusersGenerator(ABC, Generic[ConfigT]):
    """Runs a pipeline. A subclass says what the pipeline is given of the keyframes."""

    def __init__(self, config: ConfigT, device: str = "cpu"):
        self.config, self.device = config, device
        self.pipeline = config.pipeline.load(config)
        self.pipeline.set_progress_bar_config(disable=True)
        self.prepare()
        if config.tiling:
            self.pipeline.vae.enable_tiling()
        self._offload(config.offload)
        self._offloads = list(_OFFLOADS[_OFFLOADS.index(config.offload) + 1 :])  # still to be tried

    def prepare(self) -> None:
        """Configure the loaded pipeline; ConfigError if it doesn't suit the settings."""

    def batch_key(self, request: GeneratorRequest) -> Hashable:
        """Return what two requests must share to go into one batch."""
        return None

    @abstractmethod
    def arguments(self, requests: Sequence[GeneratorRequest]) -> dict[str, Any]:
        """Return a family's own arguments of the pipeline; `requests` share a batch key."""

    def generate(self, requests: Sequence[GeneratorRequest]) -> Iterator[GeneratedClip | Rejected]:
        """Yield one clip or rejection per request, in order; each has its own random stream."""
        for _, group in groupby(requests, self.batch_key):
            members = list(group)
            for start in range(0, len(members), self.config.batch):
                yield from self._generate(members[start : start + self.config.batch])

    def _generate(self, requests: list[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        """Generate a batch; out of memory: one by one, then each fallback, then a rejection."""
        import torch

        detail = ""
        with self._own_tiles():
            for _ in self._memory_fallbacks():
                try:
                    return self._run(requests)
                except torch.OutOfMemoryError as error:
                    detail = str(error).splitlines()[0]
                self.pipeline.maybe_free_model_hooks()
                if len(requests) > 1:
                    return [
                        outcome for request in requests for outcome in self._generate([request])
                    ]
        return [Rejected(id=requests[0].prompt.id, reason="out_of_memory", detail=detail)]

    def _run(self, requests: list[GeneratorRequest]) -> list[GeneratedClip | Rejected]:
        import torch

        config = self.config
        common = {
            "prompt": [request.prompt.prompt for request in requests],
            "negative_prompt": [config.negative_prompt] * len(requests),
            "generator": [torch.Generator("cpu").manual_seed(r.seed) for r in requests],
            "height": config.height_px,
            "width": config.width_px,
            "num_frames": config.frames,
            "num_inference_steps": config.steps,
            "guidance_scale": config.guidance,
            "output_type": "np",  # floats: in 8 bits NaN looks like black
        }
        # no gradients by itself; not in inference mode: weights moved in it can't be moved again
        videos = self.pipeline(**(common | self.arguments(requests))).frames
        return [GeneratedClip.from_floats(video, config.fps) for video in videos]

    def _memory_fallbacks(self) -> Iterator[None]:
        """Yield at once, then after each further step that saves memory.

        Offloading stays: it changes no pixel, and the clips that follow are as large. Tiles do
        change pixels, so they are for a clip that can't be generated otherwise.
        """
        yield
        vae, warn = self.pipeline.vae, logging.getLogger(__name__).warning
        while self._offloads:
            way = self._offloads.pop(0)
            warn("out of memory: from here on offload: %s", way)
            self._offload(way)
            yield
        warn("out of memory: one clip in VAE tiles")
        if not self.config.tiling:
            vae.enable_tiling()
            yield
        vae.enable_tiling(**self.config.small_tiles)
        yield

    @contextmanager
    def _own_tiles(self) -> Iterator[None]:
        """Restore the VAE's tiling afterwards; its own `disable_tiling` would keep the sizes."""
        vae = self.pipeline.vae
        before = {n: v for n, v in vars(vae).items() if n.startswith(("tile_", "use_tiling"))}
        try:
            yield
        finally:
            for name, value in before.items():
                setattr(vae, name, value)

    def _offload(self, offload: str) -> None:
        if offload == "none" or self.device == "cpu":
            self.pipeline.to(self.device)
        elif offload == "model":
            self.pipeline.enable_model_cpu_offload(device=self.device)
        else:
            self.pipeline.remove_all_hooks()
            self.pipeline.to("cpu")
            self.pipeline.enable_sequential_cpu_offload(device=self.device)


def assign_keyframes(keyframes: Keyframes, frames: int, most: int) -> dict[int, int]:
    """Assign keyframes to frames of a clip: the first, the last, then by score.

    Args:
        keyframes: With their times in the input.
        frames: Length of the clip, which spans the time from first to last keyframe.
        most: How many keyframes to assign at most.

    Returns:
        The keyframe's index for each frame index that gets one, in order.
    """
    times = keyframes.pts_seconds
    inner = sorted(range(1, len(times) - 1), key=lambda i: (-keyframes.scores[i], i))
    span = times[-1] - times[0]
    plan: dict[int, int] = {}
    for i in [0, len(times) - 1, *inner]:
        index = round((times[i] - times[0]) / span * (frames - 1)) if span else 0
        if len(plan) < most:
            plan.setdefault(index, i)
    return dict(sorted(plan.items()))


def _from_pretrained(path: str, revision: str | None, config: DiffusersConfig) -> Any:
    for package in config.packages:
        try:
            import_module(package)
        except ImportError as error:
            raise BackendMissing(package, f"the generator {config.kind}") from error
    import diffusers
    import torch

    diffusers.utils.logging.set_verbosity_error()  # LTX warns of its own scheduler at each call
    dtypes = {"default": getattr(torch, config.dtype)}
    dtypes |= dict.fromkeys(config.in_float32, torch.float32)
    try:
        return getattr(diffusers, config.pipeline_class).from_pretrained(
            path, revision=revision, dtype=dtypes, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"expected a checkpoint for diffusers' {config.pipeline_class} at {path!r} (revision "
            f"{revision}), found none that can be read: {first_line}. Download it, or correct "
            "generator.pipeline.path; only kind: tiny_random draws random weights"
        ) from None

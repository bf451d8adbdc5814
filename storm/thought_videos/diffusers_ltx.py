"""LTX-Video through diffusers: several keyframes, each at its own time."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from storm.digests import cached_sha256_tree
from storm.errors import BackendMissing, ConfigError
from storm.records import Keyframes, Rejected
from storm.thought_videos.base import Canvas, Drawn, GeneratorRequest, fit
from storm.videos.encode import unjpeg


class TinyPipeline(BaseModel):
    """Random weights, built on the spot: it draws noise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["tiny_random"]
    seed: int = 0

    def load(self, dtype: Any) -> Any:
        from storm.thought_videos.tiny_ltx import save_tiny_ltx

        with tempfile.TemporaryDirectory(prefix="storm-tiny-ltx-") as folder:
            save_tiny_ltx(Path(folder), self.seed)
            pipeline = _from_pretrained(folder, None, dtype)
        pipeline.vae.use_framewise_encoding = False
        pipeline.vae.use_framewise_decoding = False
        return pipeline


class PretrainedPipeline(BaseModel):
    """A diffusers checkpoint: a folder, or a name on the hub with its revision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["pretrained"]
    path: str
    revision: str | None = None

    def identity(self) -> dict[str, Any]:
        """A folder's contents stand for its path; a name on the hub has its revision."""
        self._require()
        if self.revision is None:
            return {"kind": self.kind, "contents": cached_sha256_tree(Path(self.path))}
        return {"kind": self.kind, "path": self.path, "revision": self.revision}

    def _require(self) -> None:
        if self.revision is None and not Path(self.path).is_dir():
            raise ConfigError(
                f"expected an LTX checkpoint of diffusers, found no folder {self.path!r}: download "
                "it, correct generator.pipeline.path, or, if it is a name on the hub, pin its "
                "revision; random weights are drawn for kind: tiny_random alone"
            )

    def load(self, dtype: Any) -> Any:
        self._require()
        return _from_pretrained(self.path, self.revision, dtype)


class LTXConditionGenerator:
    class Config(Canvas):
        kind: Literal["ltx_condition"] = "ltx_condition"
        pipeline: Annotated[TinyPipeline | PretrainedPipeline, Field(discriminator="kind")]
        frames: int = Field(97, ge=9)  # 8 n + 1
        fps: float = Field(24.0, gt=0)
        height_px: int = Field(480, ge=32, multiple_of=32)
        width_px: int = Field(704, ge=32, multiple_of=32)
        conditions: int = Field(4, ge=1)  # keyframes at most: first, last, then by their scores
        steps: int = Field(40, ge=1)
        guidance: float = Field(3.0, ge=0)
        negative_prompt: str = "worst quality, inconsistent motion, blurry, jittery, distorted"
        dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
        offload: Literal["none", "model", "sequential"] = "none"
        tiling: bool = False
        batch: int = Field(1, ge=1)  # clips at once; over 1 their low bits depend on neighbours

        def identity(self) -> dict[str, Any]:
            """All but where the weights wait while they are not used."""
            names = set(type(self).model_fields) - {"offload"}
            return {name: getattr(self, name) for name in sorted(names)}

        @model_validator(mode="after")
        def _whole_groups(self) -> LTXConditionGenerator.Config:
            if self.frames % 8 != 1:
                raise ValueError(f"expected 8 n + 1 frames for LTX, found {self.frames}")
            return self

        def build(self, device: str = "cpu") -> LTXConditionGenerator:
            return LTXConditionGenerator(self, device)

    def __init__(self, config: Config, device: str = "cpu"):
        import torch

        self.config, self.device = config, device
        self.pipeline = config.pipeline.load(getattr(torch, config.dtype))
        self.pipeline.set_progress_bar_config(disable=True)
        if config.tiling:
            self.pipeline.vae.enable_tiling()
        self._offload(config.offload)

    def draw(self, requests: Sequence[GeneratorRequest]) -> list[Drawn | Rejected]:
        """One clip or rejection a request, in order; each has a random stream of its own."""
        plans = [_plan(request.keyframes, self.config) for request in requests]
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for place, plan in enumerate(plans):
            alike[tuple(plan)].append(place)
        drawn: dict[int, Drawn | Rejected] = {}
        for places in alike.values():  # a batch shares the frames that are given
            for start in range(0, len(places), self.config.batch):
                batch = places[start : start + self.config.batch]
                asked = [requests[i] for i in batch]
                drawn.update(zip(batch, self._draw(asked, [plans[i] for i in batch]), strict=True))
        return [drawn[i] for i in range(len(requests))]

    def _draw(
        self, requests: list[GeneratorRequest], plans: list[dict[int, int]]
    ) -> list[Drawn | Rejected]:
        """A batch; when memory runs out in tiles, then offloaded, then refused one by one."""
        import torch

        try:
            return self._run(requests, plans)
        except torch.OutOfMemoryError as error:
            detail = str(error).splitlines()[0]
        if len(requests) > 1:
            pairs = zip(requests, plans, strict=True)
            return [self._draw([request], [plan])[0] for request, plan in pairs]
        try:
            self.pipeline.vae.enable_tiling()
            return self._run(requests, plans)
        except torch.OutOfMemoryError:
            self._offload("sequential")
        try:
            return self._run(requests, plans)
        except torch.OutOfMemoryError:
            return [Rejected(id=requests[0].prompt.id, reason="out_of_memory", detail=detail)]

    def _run(
        self, requests: list[GeneratorRequest], plans: list[dict[int, int]]
    ) -> list[Drawn | Rejected]:
        import torch
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition
        from PIL import Image

        config = self.config
        conditions = []
        for index in plans[0]:
            images = [
                fit(unjpeg(r.keyframes.images[plan[index]]), config.height_px, config.width_px)
                for r, plan in zip(requests, plans, strict=True)
            ]
            pictures: Any = [Image.fromarray(image) for image in images]  # one a clip of the batch
            conditions.append(LTXVideoCondition(image=pictures, frame_index=index))
        with torch.inference_mode():
            video = self.pipeline(
                conditions=conditions,
                prompt=[request.prompt.prompt for request in requests],
                negative_prompt=[config.negative_prompt] * len(requests),
                height=config.height_px,
                width=config.width_px,
                num_frames=config.frames,
                frame_rate=config.fps,
                num_inference_steps=config.steps,
                guidance_scale=config.guidance,
                max_sequence_length=min(256, self.pipeline.tokenizer_max_length),
                generator=[torch.Generator("cpu").manual_seed(r.seed) for r in requests],
                output_type="np",
            ).frames
        return [_drawn(frames, request, config) for frames, request in zip(video, requests)]

    def _offload(self, offload: str) -> None:
        if offload == "none" or self.device == "cpu":
            self.pipeline.to(self.device)
        elif offload == "model":
            self.pipeline.enable_model_cpu_offload(device=self.device)
        else:
            self.pipeline.remove_all_hooks()
            self.pipeline.to("cpu")
            self.pipeline.enable_sequential_cpu_offload(device=self.device)


def _drawn(
    frames: np.ndarray, request: GeneratorRequest, config: LTXConditionGenerator.Config
) -> Drawn | Rejected:
    """(T, H, W, 3) floats of 0 to 1 to a clip; NaN can't be told from black later, so here."""
    if not np.isfinite(frames).all():
        share = 1 - np.isfinite(frames).mean()
        detail = f"{share:.1%} of the pixels are NaN or infinite: try another dtype"
        return Rejected(id=request.prompt.id, reason="nan", detail=detail)
    return Drawn(np.rint(frames * 255).astype(np.uint8), config.fps)


def _plan(keyframes: Keyframes, config: LTXConditionGenerator.Config) -> dict[int, int]:
    """Which keyframe stands at which frame of the clip: first, last, then by score."""
    times = keyframes.pts_seconds
    inner = sorted(range(1, len(times) - 1), key=lambda i: (-keyframes.scores[i], i))
    span = times[-1] - times[0]
    plan: dict[int, int] = {}
    for i in [0, len(times) - 1, *inner]:
        index = round((times[i] - times[0]) / span * (config.frames - 1)) if span else 0
        if len(plan) < config.conditions:
            plan.setdefault(index, i)
    return dict(sorted(plan.items()))


def _from_pretrained(path: str, revision: str | None, dtype: Any) -> Any:
    try:
        from diffusers import LTXConditionPipeline
        from diffusers.utils import logging
    except ImportError as error:
        raise BackendMissing("diffusers", "the LTX generator") from error
    logging.set_verbosity_error()  # it warns of its own scheduler at each call
    try:
        return LTXConditionPipeline.from_pretrained(
            path, revision=revision, dtype=dtype, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"expected an LTX checkpoint of diffusers at {path!r} (revision {revision}), "
            f"found none that can be read: {first_line}. Download it, or correct "
            "generator.pipeline.path; random weights are drawn for kind: tiny_random alone"
        ) from None

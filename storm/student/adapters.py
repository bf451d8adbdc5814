"""Differences between model families: prompts, positions, features. One small class each.

A fourth family needs an adapter and must pass `tests/student`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from storm.errors import ConfigError, DataError
from storm.student.rotary import continue_after_vision

if TYPE_CHECKING:
    from storm.student.attention import PromptKV, StepKV

VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
VIDEO_PAD = "<|video_pad|>"


@dataclass(frozen=True)
class Pixels:
    """Input of the vision encoder: patches of several videos, one after another."""

    values: torch.Tensor  # (patches, channels * temporal patch * patch * patch)
    grid_thw: torch.Tensor  # (videos, 3) int64


@dataclass(frozen=True)
class Features:
    """Output of the vision encoder for `Pixels`: (video tokens, hidden) for each video."""

    tokens: tuple[torch.Tensor, ...]
    deepstack: tuple[tuple[torch.Tensor, ...], ...]  # by layer, then as `tokens`


class Adapter:
    """A model family; `model` is transformers' own `...ForConditionalGeneration`."""

    family: str
    system = ""  # the turn before the user's
    can_hide = True  # whether later tokens can be kept from attending to earlier ones

    def __init__(self, model: Any, processor: Any):
        self.model, self.processor = model, processor
        config = model.config
        self.hidden_size: int = config.text_config.hidden_size
        self.max_length: int = config.text_config.max_position_embeddings
        self.video_pad_id: int = config.video_token_id
        self.merged: int = config.vision_config.spatial_merge_size**2
        self.temporal_patch: int = config.vision_config.temporal_patch_size

    @property
    def deepstack_layers(self) -> int:
        """Return how many layers of the vision encoder feed layers of the text model."""
        return 0

    def placeholder(self, grid_thw: Sequence[int], pts_seconds: Sequence[float]) -> str:
        """Return the text that holds a video's place, as the family's processor writes it."""
        raise NotImplementedError

    def rope_extras(self, videos: Sequence[Any]) -> dict[str, Any]:
        """Return more arguments for `get_rope_index`."""
        return {}

    def trunk_extras(
        self, video_mask: torch.Tensor, deepstack: Sequence[torch.Tensor]
    ) -> dict[str, Any]:
        """Return more arguments for the text model if the prompt has videos."""
        return {}

    def context(
        self,
        valid: torch.Tensor | None,
        mask: torch.Tensor | None,
        memory: PromptKV | StepKV | None,
    ) -> dict[str, Any]:
        """Return the family's arguments for what a call of the text model attends to.

        Args:
            valid: False at padding, (B, columns); None without padding.
            mask: The same, added to scores, (B, 1, columns, columns).
            memory: What was read before, or will be read later.
        """
        return {"attention_mask": mask}

    def pixels(self, videos: Sequence[np.ndarray]) -> Pixels:
        """Return videos (T, H, W, 3) uint8 as patches, with frames neither sampled nor scaled.

        The last frame is repeated until the last temporal patch is full.
        """
        for video in videos:
            if video.ndim != 4 or video.shape[3] != 3 or video.dtype != np.uint8 or not len(video):
                raise DataError(
                    f"expected frames (T, H, W, 3) uint8, found {video.shape} {video.dtype}"
                )
        # qwen3_vl's processor repeats it too, but refuses a single frame
        full = [
            np.pad(v, ((0, -len(v) % self.temporal_patch), *[(0, 0)] * 3), "edge") for v in videos
        ]
        processed = self.processor.video_processor(
            videos=[torch.from_numpy(v).permute(0, 3, 1, 2) for v in full],
            do_sample_frames=False,
            cap_pixels_per_frame=True,
            return_tensors="pt",
        )
        return Pixels(processed["pixel_values_videos"], processed["video_grid_thw"])

    def features(self, pixels: Pixels) -> Features:
        """Run the vision encoder, with gradients where they are on."""
        device = self.model.device
        out = self.model.model.get_video_features(
            pixels.values.to(device), pixels.grid_thw.to(device), return_dict=True
        )
        deepstack = tuple(tuple(layer) for layer in getattr(out, "deepstack_features", None) or ())
        return Features(tuple(out.pooler_output), deepstack)

    def positions(self, ids: np.ndarray, videos: Sequence[Any]) -> np.ndarray:
        """Return rotary positions (3, len(ids)) of an unpadded prompt."""
        grids = torch.tensor([v.grid_thw for v in videos]) if videos else None
        row = torch.from_numpy(ids)[None]
        positions, _ = self.model.model.get_rope_index(
            input_ids=row,
            mm_token_type_ids=(row == self.video_pad_id).int() * 2,
            video_grid_thw=grids,
            **self.rope_extras(videos),
        )
        return positions[:, 0].numpy()


class Qwen3VL(Adapter):
    """A timestamp before each temporal patch; deepstack features enter the first layers.

    Marks are written around each temporal patch and not around the whole video, as in Qwen's code.
    (transformers from 5.10 keeps one more pair if the chat template writes it around the pad.)
    """

    family = "qwen3_vl"

    @property
    def deepstack_layers(self) -> int:
        """Return how many layers of the vision encoder feed layers of the text model."""
        return len(self.model.config.vision_config.deepstack_visual_indexes)

    def placeholder(self, grid_thw: Sequence[int], pts_seconds: Sequence[float]) -> str:
        """Return the text that holds a video's place in the prompt."""
        patch = (
            f"{VISION_START}{VIDEO_PAD * (grid_thw[1] * grid_thw[2] // self.merged)}{VISION_END}"
        )
        times = list(pts_seconds)
        times += [times[-1]] * (-len(times) % self.temporal_patch)
        step = self.temporal_patch
        middles = [(times[i] + times[i + step - 1]) / 2 for i in range(0, len(times), step)]
        return "".join(f"<{middle:.1f} seconds>{patch}" for middle in middles)

    def trunk_extras(
        self, video_mask: torch.Tensor, deepstack: Sequence[torch.Tensor]
    ) -> dict[str, Any]:
        """Return what the text model takes for deepstack."""
        if not deepstack:
            return {}
        return {"visual_pos_masks": video_mask, "deepstack_visual_embeds": list(deepstack)}


class Qwen25VL(Adapter):
    """One block of pads per video; its times are in the rotary positions."""

    family = "qwen2_5_vl"
    system = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"

    def placeholder(self, grid_thw: Sequence[int], pts_seconds: Sequence[float]) -> str:
        """Return the text that holds a video's place in the prompt."""
        t, h, w = grid_thw
        return f"{VISION_START}{VIDEO_PAD * (t * h * w // self.merged)}{VISION_END}"

    def rope_extras(self, videos: Sequence[Any]) -> dict[str, Any]:
        """Return what the rotary index takes for timed videos."""

        def seconds_per_patch(pts: Sequence[float]) -> float:
            if len(pts) < 2:
                return 1.0
            return self.temporal_patch * (pts[-1] - pts[0]) / (len(pts) - 1)

        if not videos:
            return {}
        return {"second_per_grid_ts": [seconds_per_patch(v.pts_seconds) for v in videos]}

    def positions(self, ids: np.ndarray, videos: Sequence[Any]) -> np.ndarray:
        """Return rotary positions; text after a video continues by Qwen's own rule."""
        positions = torch.from_numpy(super().positions(ids, videos))
        return continue_after_vision(positions, torch.from_numpy(ids == self.video_pad_id)).numpy()


class Qwen35(Qwen3VL):
    """Qwen3-VL's prompts without deepstack; most layers are linear attention with a state.

    With the package flash-linear-attention installed, transformers runs single tokens through its
    recurrent kernel, which has no backward pass: training a rollout then stops with its error.
    """

    family = "qwen3_5"
    can_hide = False  # the linear layers' state has mixed them in

    def __init__(self, model: Any, processor: Any):
        super().__init__(model, processor)
        for layer in model.model.language_model.layers:
            # a checkpoint may keep `RecurrentState`: what a recomputation writes again is dropped
            layer._can_checkpoint_with_cache = True

    @property
    def deepstack_layers(self) -> int:
        """Return how many layers of the vision encoder feed layers of the text model."""
        return 0

    def context(
        self,
        valid: torch.Tensor | None,
        mask: torch.Tensor | None,
        memory: PromptKV | StepKV | None,
    ) -> dict[str, Any]:
        """Return what a call of the text model attends to."""
        return {
            "attention_mask": {"full_attention": mask, "linear_attention": valid},
            "past_key_values": memory and memory.states,
        }


ADAPTERS: dict[str, type[Adapter]] = {a.family: a for a in (Qwen3VL, Qwen25VL, Qwen35)}


def adapter_for(model: Any, processor: Any) -> Adapter:
    """Return the adapter of a model's family; raise ConfigError if there is none."""
    family = model.config.model_type
    if family not in ADAPTERS:
        raise ConfigError(
            f"expected a model of one of the families {sorted(ADAPTERS)}, found {family!r}"
        )
    return ADAPTERS[family](model, processor)

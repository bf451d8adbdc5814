"""transformers' own model with a latent head: the parts of every pass of the student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from storm.errors import DataError
from storm.student import attention
from storm.student.adapters import Pixels, adapter_for
from storm.student.batch import Batch, collate
from storm.student.example import Example, VideoTokens
from storm.student.latent_head import LatentConfig
from storm.student.prompts import Prompts
from storm.videos.decoding.sampling import FrameSampling


class LatentModel(nn.Module):
    """`model` is a `...ForConditionalGeneration`, unpatched; `head` turns states into latents."""

    def __init__(
        self,
        model: Any,
        processor: Any,
        latent: LatentConfig,
        sampling: FrameSampling | None = None,
    ):
        super().__init__()
        attention.select(model)
        self.model = model
        self.head = latent.build_head(model.config.text_config.hidden_size).to(
            model.device, model.dtype
        )
        self.latent = latent
        self.sampling = sampling  # of the videos it was trained on, if known
        self.processor = processor
        self.adapter = adapter_for(model, processor)
        self.prompts = Prompts(processor.tokenizer, self.adapter, latent)

    # -- facts

    @property
    def k(self) -> int:
        """How many latent states there are."""
        return self.latent.k

    @property
    def hidden_size(self) -> int:
        """Width of the text model."""
        return self.adapter.hidden_size

    @property
    def tokenizer(self) -> Any:
        """The processor's tokenizer."""
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Element type of the weights."""
        return self.model.dtype

    @property
    def vision_encoder(self) -> nn.Module:
        """The vision encoder with its merger."""
        return self.model.model.visual

    @property
    def layers(self) -> Any:
        """The text model's decoder layers."""
        return self.model.model.language_model.layers

    # -- settings

    def freeze_vision(self, frozen: bool = True) -> None:
        """Freeze the vision encoder, or let it learn again."""
        self.vision_encoder.requires_grad_(not frozen)

    def freeze_language(self, frozen: bool = True) -> None:
        """Freeze language model, LM head and latent head, or let them learn again."""
        for part in (self.model.model.language_model, self.model.lm_head, self.head):
            part.requires_grad_(not frozen)

    def gradient_checkpointing(self, on: bool = True) -> None:
        """Recompute the prompt's layers in the backward pass, in training mode."""
        if on:
            self.model.activation_checkpointing_enable({"use_reentrant": False})
        else:
            self.model.activation_checkpointing_disable()

    # -- videos

    def encode_video(self, frames: np.ndarray, pts_seconds: Sequence[float]) -> VideoTokens:
        """Return the tokens of frames (T, H, W, 3) uint8, neither sampled nor scaled."""
        return self.encode_videos([(frames, pts_seconds)])[0]

    @torch.no_grad()
    def encode_videos(
        self, videos: Sequence[tuple[np.ndarray, Sequence[float]]]
    ) -> list[VideoTokens]:
        """Encode several videos, each (frames, times in seconds), in one pass."""
        if not videos:
            return []
        for frames, times in videos:
            if len(frames) != len(times):
                raise DataError(
                    f"expected a time for each of {len(frames)} frames, found {len(times)}"
                )
        pixels = self.adapter.pixels([frames for frames, _ in videos])
        most = int(pixels.grid_thw.prod(1).max()) // self.adapter.merged
        self.prompts.check_length(most, most)  # before the cost of encoding
        features = self.adapter.features(pixels)
        return [
            VideoTokens(
                features.tokens[i],
                tuple(pixels.grid_thw[i].tolist()),
                tuple(float(t) for t in times),
                tuple(layer[i] for layer in features.deepstack),
            )
            for i, (_, times) in enumerate(videos)
        ]

    def pixels(self, videos: Sequence[np.ndarray]) -> Pixels:
        """Return videos (T, H, W, 3) uint8 as the vision encoder's patches."""
        return self.adapter.pixels(videos)

    def features(self, pixels: Pixels) -> list[torch.Tensor]:
        """Encode with gradients; return (video tokens, hidden) for each video."""
        return list(self.adapter.features(pixels).tokens)

    # -- batches

    def collate(self, examples: Sequence[Example]) -> Batch:
        """Return one batch, on the CPU; `forward` and `generate` move it."""
        return collate(examples, self.prompts)

    # -- parts of the passes

    def embed_ids(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (..., d) of token ids."""
        return self.model.get_input_embeddings()(ids)

    def embed(self, batch: Batch, columns: int | None = None) -> torch.Tensor:
        """Return embeddings (B, columns, d) with the videos' features in their places."""
        embeds = self.embed_ids(batch.ids[:, :columns])
        if batch.features is None:
            return embeds
        where = batch.video_mask[:, :columns, None]
        return embeds.masked_scatter(where, batch.features.to(embeds.dtype))

    def visual(self, batch: Batch, columns: int) -> dict[str, Any]:
        """Return what the text model takes for deepstack in the first columns."""
        return self.adapter.trunk_extras(batch.video_mask[:, :columns], batch.deepstack)

    def trunk(
        self,
        embeds: torch.Tensor,
        positions: torch.Tensor,
        valid: torch.Tensor | None,
        memory: attention.PromptKV | attention.StepKV | None,
        visual: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        """Run the text model without its LM head; return (B, columns, d) after the norm.

        `valid` (B, columns) is False at padding; None if there is none before a row's last token.
        """
        mask = None if valid is None else attention.causal_mask(valid, embeds.dtype)
        return self.model.model.language_model(
            inputs_embeds=embeds,
            position_ids=positions,
            use_cache=False,
            storm_memory=memory,
            **self.adapter.context(valid, mask, memory),
            **(visual or {}),
        ).last_hidden_state

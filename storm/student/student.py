"""The student: transformers' own model, a latent head, and how both are used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import nn

from storm.errors import ConfigError, DataError
from storm.student import attention, rollout
from storm.student import batch as batches
from storm.student.adapters import Pixels, adapter_for
from storm.student.batch import Batch, Example, VideoTokens
from storm.student.jacobi import Jacobi
from storm.student.latent_head import LatentConfig
from storm.student.modes import MODES, Mode
from storm.student.prompts import Prompts
from storm.student.rollout import Feeding, Mixed, StudentOutput
from storm.videos.decoding.sampling import FrameSampling

if TYPE_CHECKING:
    from storm.student.generate import Answer
    from storm.student.interventions import Intervention
    from storm.student.predictor import Reply, Video


class Student(nn.Module):
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

    # -- checkpoints

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        k: int | None = None,
    ) -> Student:
        """Load what `save_pretrained` wrote; `k`, if given, must be the checkpoint's."""
        from storm.student.checkpoint import load

        return load(Path(path), dtype=dtype, device=device, k=k)

    def save_pretrained(self, path: str | Path) -> None:
        """An ordinary transformers folder with a `storm` section in its config.json."""
        from storm.student.checkpoint import save

        save(self, Path(path))

    # -- facts

    @property
    def k(self) -> int:
        return self.latent.k

    @property
    def hidden_size(self) -> int:
        return self.adapter.hidden_size

    @property
    def tokenizer(self) -> Any:
        return self.processor.tokenizer

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def tower(self) -> nn.Module:
        """The vision tower with its merger."""
        return self.model.model.visual

    @property
    def layers(self) -> Any:
        return self.model.model.language_model.layers

    # -- settings

    def freeze_vision(self, frozen: bool = True) -> None:
        """Tower and merger learn nothing (or do again)."""
        self.tower.requires_grad_(not frozen)

    def freeze_language(self, frozen: bool = True) -> None:
        """Language model, LM head and latent head learn nothing (or do again)."""
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
        """Frames (T, H, W, 3) uint8 through the frozen tower, as they are."""
        return self.encode_videos([(frames, pts_seconds)])[0]

    @torch.no_grad()
    def encode_videos(
        self, videos: Sequence[tuple[np.ndarray, Sequence[float]]]
    ) -> list[VideoTokens]:
        """Several videos, each (frames, times in seconds), in one pass of the tower."""
        if not videos:
            return []
        for frames, times in videos:
            if len(frames) != len(times):
                raise DataError(
                    f"expected a time for each of {len(frames)} frames, found {len(times)}"
                )
        pixels = self.adapter.pixels([frames for frames, _ in videos])
        most = int(pixels.grid_thw.prod(1).max()) // self.adapter.merged
        self.prompts.check_length(most, most)  # before the tower works in vain
        made = self.adapter.features(pixels)
        return [
            VideoTokens(
                made.tokens[i],
                tuple(pixels.grid_thw[i].tolist()),
                tuple(float(t) for t in times),
                tuple(layer[i] for layer in made.deepstack),
            )
            for i, (_, times) in enumerate(videos)
        ]

    def pixels(self, videos: Sequence[np.ndarray]) -> Pixels:
        """Videos (T, H, W, 3) uint8 as the tower's patches."""
        return self.adapter.pixels(videos)

    def features(self, pixels: Pixels) -> list[torch.Tensor]:
        """Tower and merger with gradients: (merged tokens, hidden) for each video."""
        return list(self.adapter.features(pixels).tokens)

    # -- training

    def collate(self, examples: Sequence[Example]) -> Batch:
        """One batch, on the CPU; `forward` and `generate` move it."""
        return batches.collate(examples, self.prompts)

    def forward(
        self, batch: Batch, feeding: Feeding = "rollout", gradient: str = "full"
    ) -> StudentOutput:
        """Answer loss and latents.

        `feeding`: "none" for rows without latents; "teacher" feeds the targets in one parallel
        pass (rows without latents may be among them); "rollout" feeds the model's own, step by
        step; `Jacobi(sweeps)` the same in parallel sweeps; `Mixed(p)` draws for each row.
        `gradient` (of a rollout): "full", "truncated:n", "detached".
        """
        batch = batch.to(self.device)
        if isinstance(feeding, Mixed | Jacobi) or feeding == "rollout":
            return rollout.rollout(self, batch, feeding, gradient)
        if feeding == "none" and batch.any_latent:
            raise DataError("expected no example with use_latents for feeding 'none', found some")
        if feeding not in ("none", "teacher"):
            raise ConfigError(
                f"expected feeding 'none', 'teacher', 'rollout', Jacobi(sweeps) or Mixed(p), "
                f"found {feeding!r}"
            )
        return rollout.parallel(self, batch)

    # -- inference

    def generate(
        self,
        batch: Batch,
        mode: Literal["direct", "latent"] = "latent",
        intervention: Intervention | None = None,
        max_new_tokens: int = 16,
        sweeps: int | None = None,
        attention: bool = False,
    ) -> list[Answer]:
        """Greedy answers to a batch's prompts (its answers and `use_latents` are not looked at).

        With `sweeps`, the latents come by as many Jacobi sweeps instead of K steps.
        """
        from storm.student.generate import generate

        batch = batch.to(self.device)
        return generate(self, batch, mode, intervention, max_new_tokens, sweeps, attention)

    def answer(
        self,
        videos: Sequence[Video | Sequence[Video] | None],
        questions: Sequence[str],
        options: Sequence[Sequence[str]] | None = None,
        *,
        mode: Mode = "latent",
        k: int | None = None,
        max_new_tokens: int | None = None,
        sampling: FrameSampling | None = None,
        sweeps: int | None = None,
        intervention: Intervention | None = None,
        batch: int = 8,
        raw: bool = False,
        system: str | None = None,
        latents: bool = False,
        attention: bool = False,
    ) -> list[Reply]:
        """A reply to each question about its video, several videos or none (None).

        A video is a file, decoded `VideoFrames` or `VideoTokens`. `k`, if given, must be the
        checkpoint's. `sampling` overrides the checkpoint's. `sweeps`: as many Jacobi sweeps
        instead of K steps. `raw`: the questions are whole prompts. See
        `storm.student.answering` for many questions, and for what a Reply holds.
        """
        from storm.student.predictor import Answering, questions_of

        self.latent.require(k)
        if mode not in MODES:
            raise ConfigError(f"expected mode 'latent', 'direct' or 'cot', found {mode!r}")
        config = Answering.Config(
            mode=mode, max_new_tokens=max_new_tokens, sampling=sampling, sweeps=sweeps
        )
        answering = config.build(self)
        asked = questions_of(videos, questions, options, raw=raw, system=system)
        return list(
            answering.stream(
                map(answering.prepare, asked),
                batch=batch,
                intervention=intervention,
                latents=latents,
                attention=attention,
            )
        )

    # -- parts of the passes

    def embed_ids(self, ids: torch.Tensor) -> torch.Tensor:
        return self.model.get_input_embeddings()(ids)

    def embed(self, batch: Batch, columns: int | None = None) -> torch.Tensor:
        """Embeddings (B, columns, d) with the videos' features in their places."""
        embeds = self.embed_ids(batch.ids[:, :columns])
        if batch.features is None:
            return embeds
        where = batch.video_mask[:, :columns, None]
        return embeds.masked_scatter(where, batch.features.to(embeds.dtype))

    def visual(self, batch: Batch, columns: int) -> dict[str, Any]:
        return self.adapter.trunk_extras(batch.video_mask[:, :columns], batch.deepstack)

    def trunk(
        self,
        embeds: torch.Tensor,
        positions: torch.Tensor,
        valid: torch.Tensor | None,
        memory: attention.PromptKV | attention.StepKV | None,
        visual: dict[str, Any] | None = None,
    ) -> torch.Tensor:
        """The text model without its LM head: hidden states (B, columns, d) after the norm.

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

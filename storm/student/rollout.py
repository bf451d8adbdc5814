"""The student's forward passes in training.

`parallel` is one pass over whole sequences, with given vectors or tokens in the latent span, or
without latents. `rollout` runs the prompt once, K - 1 steps of one token each (or fewer Jacobi
sweeps), and one call for the last latent, the end marker and the answer; the K + 1 full passes that
define it are never made.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from storm.errors import ConfigError, DataError
from storm.student.attention import PromptKV, StepKV, key_bias
from storm.student.batch import IGNORED, Batch
from storm.student.gradient import FULL, Gradient
from storm.student.jacobi import Jacobi, latents_before_last_sweep
from storm.student.model import LatentModel


@dataclass(frozen=True)
class Mixed:
    """Each row draws (torch's generator): its own latents with probability `p`, or the targets."""

    p: float


Feeding = str | Mixed | Jacobi


@dataclass(frozen=True)
class StudentOutput:
    """Losses, latents and logits of a batch."""

    answer_loss: torch.Tensor | None  # mean over rows
    answer_loss_per_row: torch.Tensor | None  # (B,) fp32, mean over a row's answer tokens
    answer_tokens: torch.Tensor | None  # (B,) how many answer tokens a row has
    answer_logits: torch.Tensor | None  # (all answer tokens, vocabulary), row after row
    latents: torch.Tensor | None  # (B, K, d); zero in rows without latents; None if no row has any


def parallel(student: LatentModel, batch: Batch) -> StudentOutput:
    """Read whole sequences in one pass.

    Rows that use latents need `feed`, unless tokens stand in the span: then latent i is read where
    token i is, not one place before.
    """
    fed_vectors = batch.any_latent and student.k > 0 and student.latent.rolls_out
    if fed_vectors and not batch.all_feed:
        raise DataError(
            "expected targets (or a latent_video) in every example that uses latents, found "
            "examples without: feed 'rollout', or give them"
        )
    embeds = student.embed(batch)
    if fed_vectors:
        assert batch.feed is not None
        fed = batch.feed if batch.all_latent else batch.feed[batch.use_latents]
        embeds = embeds.masked_scatter(batch.latent_mask[..., None], fed.to(embeds.dtype))
    valid = batch.valid if batch.left_padded else None
    hidden = student.trunk(
        embeds, batch.positions, valid, None, student.visual(batch, batch.ids.shape[1])
    )
    latents = None
    if batch.any_latent:
        first = batch.prompt_width + (not student.latent.rolls_out)
        latents = student.head(hidden[:, first : first + student.k])
        if not batch.all_latent:
            latents = latents * batch.use_latents[:, None, None]
    return _output(student, hidden, batch.labels, latents)


def rollout(
    student: LatentModel, batch: Batch, feeding: Feeding = "rollout", gradient: Gradient = FULL
) -> StudentOutput:
    """Read the prompt, K latent steps and the answer; `Mixed` feeds some rows their targets."""
    if not batch.all_latent:
        raise DataError("expected use_latents in every example of a rollout, found some without")
    k = student.k
    feed = _Feed(gradient.flows(k), _drawn(batch, feeding, k), batch.feed)
    prefix, hidden = run_prefix(student, batch, batch.prompt_width + 1)
    slots = batch.positions[:, :, batch.prompt_width + 1 :][:, :, :k]
    with steps_not_checkpointed(student):
        if isinstance(feeding, Jacobi):
            latents = latents_before_last_sweep(student, prefix, hidden, slots, feeding, feed)
            step, unread = None, feed(latents, 0)
        else:
            latents, step = _steps(student, prefix, hidden, slots, feed)
            unread = feed(latents[:, k - 1 :], k - 1) if k else latents
        first = batch.prompt_width + 1 + k - unread.shape[1]  # they go with the answer
        embeds = torch.cat(
            [unread, student.embed_ids(batch.ids[:, batch.prompt_width + 1 + k :])], 1
        )
        hidden = student.trunk(embeds, batch.positions[:, :, first:], None, StepKV(prefix, step))
    return _output(student, hidden, batch.labels[:, first:], latents)


def _steps(
    student: LatentModel, prefix: PromptKV, hidden: torch.Tensor, slots: torch.Tensor, feed: _Feed
) -> tuple[torch.Tensor, StepKV | None]:
    """Return latents (B, K, d), one after another, and the step that read the last but one."""
    latents: list[torch.Tensor] = []
    step: StepKV | None = None
    for i in range(student.k):
        latents.append(student.head(hidden))
        if i < student.k - 1:
            step = StepKV(prefix, step)
            hidden = student.trunk(feed(latents[i], i), slots[:, :, i : i + 1], None, step)
    return torch.cat(latents, 1) if latents else hidden[:, :0], step


@dataclass(frozen=True)
class _Feed:
    """What is fed back for latents (B, n, d) from slot `first` on."""

    flows: list[bool]  # a slot each: whether the gradient goes through
    teacher: torch.Tensor | None  # (B,) bool: rows that are fed `given` instead
    given: torch.Tensor | None  # (B, K, d)

    def __call__(self, latents: torch.Tensor, first: int) -> torch.Tensor:
        end = first + latents.shape[1]
        flows = self.flows[first:end]
        if not any(flows):
            latents = latents.detach()
        elif not all(flows):
            through = torch.tensor(flows, device=latents.device)[:, None]
            latents = torch.where(through, latents, latents.detach())
        if self.teacher is None:
            return latents
        assert self.given is not None
        given = self.given[:, first:end].to(latents.dtype)
        return torch.where(self.teacher[:, None, None], given, latents)


def run_prefix(
    student: LatentModel,
    batch: Batch,
    width: int,
    weights: dict[int, torch.Tensor] | None = None,
) -> tuple[PromptKV, torch.Tensor]:
    """Read the first `width` columns once; return their cache and last hidden state.

    `weights`, if given, is filled with what the last column attends to.
    """
    refuse_reentrant(student)
    embeds = student.embed(batch, width)
    valid = batch.valid[:, :width] if batch.left_padded else None
    prefix = PromptKV(None if valid is None else key_bias(valid, embeds.dtype), weights)
    positions = batch.positions[:, :, :width]
    hidden = student.trunk(embeds, positions, valid, prefix, student.visual(batch, width))
    return prefix, hidden[:, -1:]


def refuse_reentrant(student: LatentModel) -> None:
    """Raise ConfigError if layers use reentrant gradient checkpointing."""
    for layer in student.layers:
        how = getattr(layer, "_gradient_checkpointing_func", None)
        if layer.gradient_checkpointing and getattr(how, "keywords", {}).get("use_reentrant", True):
            raise ConfigError(
                "expected non-reentrant checkpointing (reentrant gives wrong gradients here, "
                "without an error), found use_reentrant=True: use Student.gradient_checkpointing"
            )


@contextmanager
def steps_not_checkpointed(student: LatentModel) -> Any:
    """Inside, layers run without checkpointing: the prompt's activations are what is large."""
    flags = [layer.gradient_checkpointing for layer in student.layers]
    for layer in student.layers:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for layer, flag in zip(student.layers, flags, strict=True):
            layer.gradient_checkpointing = flag


def _drawn(batch: Batch, feeding: Feeding, k: int) -> torch.Tensor | None:
    """(B,) bool: which rows are fed their targets; None for none."""
    if not isinstance(feeding, Mixed):
        return None
    if not batch.all_feed and k:
        raise DataError("expected targets in every example of mixed feeding, found some without")
    return torch.rand(len(batch)).to(batch.ids.device) >= feeding.p


def _output(
    student: LatentModel, hidden: torch.Tensor, labels: torch.Tensor, latents: torch.Tensor | None
) -> StudentOutput:
    rows, columns = (labels != IGNORED).nonzero(as_tuple=True)
    if not len(rows):
        return StudentOutput(None, None, None, None, latents)
    logits = student.model.lm_head(hidden[rows, columns])
    losses = torch.nn.functional.cross_entropy(
        logits.float(), labels[rows, columns], reduction="none"
    )
    count = torch.bincount(rows, minlength=len(labels))
    per_row = losses.new_zeros(len(labels)).index_add(0, rows, losses) / count.clamp(min=1)
    return StudentOutput(per_row.mean(), per_row, count, logits, latents)

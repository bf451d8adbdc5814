"""The student's forward passes in training.

`parallel` is one pass over whole sequences, with given vectors in the latent span or without
latents. `rollout` runs the prompt once, K - 1 steps of one token each, and one call for the last
latent, the end marker and the answer; the K + 1 full passes that define it are never made.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from storm.errors import ConfigError, DataError
from storm.student.attention import Prefix, Step, causal_mask, key_bias
from storm.student.batch import IGNORED, Batch

if TYPE_CHECKING:
    from storm.student.student import Student


@dataclass(frozen=True)
class Mixed:
    """Each row draws (torch's generator): its own latents with probability `p`, or the targets."""

    p: float


Feeding = str | Mixed


@dataclass(frozen=True)
class StudentOutput:
    answer_loss: torch.Tensor | None  # mean over rows
    answer_loss_per_row: torch.Tensor | None  # (B,) fp32, mean over a row's answer tokens
    answer_tokens: torch.Tensor | None  # (B,) how many answer tokens a row has
    answer_logits: torch.Tensor | None  # (all answer tokens, vocabulary), row after row
    latents: torch.Tensor | None  # (B, K, d); zero in rows without latents; None if no row has any


def fed_gradients(gradient: str, k: int) -> list[bool]:
    """For each of the K latents, whether the gradient flows through its being fed back.

    `full`: all. `detached`: none. `truncated:n`: the last n before the answer. Parameters always
    learn from every step; only the way through the fed vector is cut.
    """
    if gradient == "full":
        return [True] * k
    if gradient == "detached":
        return [False] * k
    found = re.fullmatch(r"truncated:([0-9]+)", gradient)
    if not found:
        raise ConfigError(
            f"expected gradient 'full', 'detached' or 'truncated:n', found {gradient!r}"
        )
    return [i >= k - int(found[1]) for i in range(k)]


def parallel(student: Student, batch: Batch) -> StudentOutput:
    """One pass; rows that use latents need `feed`."""
    if batch.any_latent and student.k and not batch.all_feed:
        raise DataError(
            "expected targets (or a latent_video) in every example that uses latents, found "
            "examples without: feed 'rollout', or give them"
        )
    embeds = student.embed(batch)
    if batch.any_latent and student.k:
        assert batch.feed is not None
        fed = batch.feed if batch.all_latent else batch.feed[batch.use_latents]
        embeds = embeds.masked_scatter(batch.latent_mask[..., None], fed.to(embeds.dtype))
    mask = causal_mask(batch.valid, embeds.dtype) if batch.left_padded else None
    hidden = student.trunk(
        embeds, batch.positions, mask, None, student.visual(batch, batch.ids.shape[1])
    )
    latents = None
    if batch.any_latent:
        first = batch.prompt_width
        latents = student.head(hidden[:, first : first + student.k])
        if not batch.all_latent:
            latents = latents * batch.use_latents[:, None, None]
    return _output(student, hidden, batch.labels, latents)


def rollout(
    student: Student, batch: Batch, feeding: Feeding = "rollout", gradient: str = "full"
) -> StudentOutput:
    """Prompt, K latent steps, answer. With `Mixed`, some rows are fed their targets instead."""
    if not batch.all_latent:
        raise DataError("expected use_latents in every example of a rollout, found some without")
    k = student.k
    teacher = _drawn(batch, feeding, k)
    flows = fed_gradients(gradient, k)
    prefix, hidden = run_prefix(student, batch, batch.prompt_width + 1)
    latents: list[torch.Tensor] = []
    step: Step | None = None
    column = batch.prompt_width + 1
    fed = hidden[:, :0]
    with steps_not_checkpointed(student):
        for i in range(k):
            latents.append(student.head(hidden[:, -1:]))
            fed = latents[-1] if flows[i] else latents[-1].detach()
            if teacher is not None:
                assert batch.feed is not None
                given = batch.feed[:, i : i + 1].to(fed.dtype)
                fed = torch.where(teacher[:, None, None], given, fed)
            if i < k - 1:
                step = Step(prefix, step)
                positions = batch.positions[:, :, column + i : column + i + 1]
                hidden = student.trunk(fed, positions, None, step)
        first = column + k - (1 if k else 0)  # the last latent goes with the answer
        embeds = torch.cat([fed, student.embed_ids(batch.ids[:, column + k :])], 1)
        hidden = student.trunk(embeds, batch.positions[:, :, first:], None, Step(prefix, step))
    states = torch.cat(latents, 1) if k else hidden[:, :0]
    return _output(student, hidden, batch.labels[:, first:], states)


def run_prefix(student: Student, batch: Batch, width: int) -> tuple[Prefix, torch.Tensor]:
    """The first `width` columns, once: their keys and values, and the last hidden state."""
    refuse_reentrant(student)
    embeds = student.embed(batch, width)
    mask = bias = None
    if batch.left_padded:
        valid = batch.valid[:, :width]
        mask, bias = causal_mask(valid, embeds.dtype), key_bias(valid, embeds.dtype)
    prefix = Prefix(bias)
    positions = batch.positions[:, :, :width]
    hidden = student.trunk(embeds, positions, mask, prefix, student.visual(batch, width))
    return prefix, hidden[:, -1:]


def refuse_reentrant(student: Student) -> None:
    for layer in student.layers:
        how = getattr(layer, "_gradient_checkpointing_func", None)
        if layer.gradient_checkpointing and getattr(how, "keywords", {}).get("use_reentrant", True):
            raise ConfigError(
                "expected non-reentrant checkpointing (reentrant gives wrong gradients here, "
                "without an error), found use_reentrant=True: use Student.gradient_checkpointing"
            )


@contextmanager
def steps_not_checkpointed(student: Student) -> Any:
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
    student: Student, hidden: torch.Tensor, labels: torch.Tensor, latents: torch.Tensor | None
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

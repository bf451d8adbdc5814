"""Greedy answers for a batch: the prompt once, K latent steps, then tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from storm.errors import ConfigError
from storm.student.attention import Prefix, Step, key_bias
from storm.student.batch import Batch
from storm.student.interventions import Intervention
from storm.student.jacobi import Jacobi, latents_before_last_sweep
from storm.student.rollout import run_prefix

if TYPE_CHECKING:
    from storm.student.student import Student


@dataclass(frozen=True, eq=False)
class Answer:
    text: str
    token_ids: tuple[int, ...]  # without the end of the turn
    latents: torch.Tensor | None  # (K, d), as rolled out, before any intervention; None if direct
    confidence: float  # probability of the first answer token


@dataclass
class _Front:
    """Where a generation stands."""

    prefix: Prefix
    step: Step | None
    bias: torch.Tensor | None  # against the prefix, for what comes next
    position: torch.Tensor  # (B,) rotary position of the next token
    hidden: torch.Tensor  # (B, 1, d) after the last token

    def positions(self, count: int) -> torch.Tensor:
        """(3, B, count) of the next tokens."""
        following = self.position[:, None] + torch.arange(count, device=self.position.device)
        return following.expand(3, -1, -1)

    def feed(self, student: Student, embeds: torch.Tensor) -> None:
        """Read vectors (B, T, d)."""
        count = embeds.shape[1]
        self.step = Step(self.prefix, self.step, self.bias)
        hidden = student.trunk(embeds, self.positions(count), None, self.step)
        self.hidden, self.position = hidden[:, -1:], self.position + count


@torch.no_grad()
def generate(
    student: Student,
    batch: Batch,
    mode: str,
    intervention: Intervention | None,
    max_new_tokens: int,
    sweeps: int | None = None,
) -> list[Answer]:
    if mode not in ("direct", "latent"):
        raise ConfigError(f"expected mode 'direct' or 'latent', found {mode!r}")
    if mode == "direct" and intervention is not None:
        raise ConfigError(f"expected mode 'latent' for an intervention, found {intervention!r}")
    if mode == "direct" and sweeps is not None:
        raise ConfigError(f"expected mode 'latent' for Jacobi sweeps, found {sweeps = }")
    if intervention is not None and intervention.hides_video and not student.adapter.can_hide:
        raise ConfigError(
            "expected a family that keeps what it read in keys and values alone to hide the video "
            f"from the answer, found {student.adapter.family!r}: its linear layers have mixed the "
            "video into their state"
        )
    start, _, end = student.prompts.latent_ids
    thought = student.k + 2 if mode == "latent" else 0
    read = batch.valid[:, : batch.prompt_width].sum(1)
    longest = int(read.argmax())
    student.prompts.check_length(
        int(read[longest]) + thought + max_new_tokens, int(batch.video_mask[longest].sum())
    )
    shown = batch.prompts((start,) if mode == "latent" else ())
    prefix, hidden = run_prefix(student, shown, shown.ids.shape[1])
    position = batch.next_position + (1 if mode == "latent" else 0)
    front = _Front(prefix, None, prefix.bias, position, hidden)
    latents = None
    if mode == "latent":
        end_marker = student.embed_ids(batch.ids.new_full((len(batch), 1), end))
        latents = _think(student, shown, front, end_marker, intervention, sweeps)
    tokens, confidence = _speak(student, front, max_new_tokens)
    return [
        Answer(
            student.tokenizer.decode(ids, skip_special_tokens=True),
            tuple(ids),
            None if latents is None else latents[i],
            confidence[i],
        )
        for i, ids in enumerate(tokens)
    ]


def _think(
    student: Student,
    batch: Batch,
    front: _Front,
    end_marker: torch.Tensor,
    intervention: Intervention | None,
    sweeps: int | None,
) -> torch.Tensor:
    """The latents (B, K, d) as rolled out; they and the end marker are read."""
    position = front.position
    if sweeps is None:
        latents: list[torch.Tensor] = []
        for i in range(student.k):
            latents.append(student.head(front.hidden))
            if i < student.k - 1:
                front.feed(student, latents[-1])
        own = torch.cat(latents, 1) if latents else end_marker[:, :0]
        unread = own[:, -1:]
    else:
        slots = front.positions(student.k)
        own = unread = latents_before_last_sweep(
            student, front.prefix, front.hidden, slots, Jacobi(sweeps)
        )
    if intervention is None:
        front.feed(student, torch.cat([unread, end_marker], 1))
    elif intervention.hides_video:
        if student.k:
            front.feed(student, unread)
        front.bias = key_bias(batch.valid & ~batch.video_mask, own.dtype)
        front.feed(student, end_marker)
    else:
        front.step, front.position = None, position
        front.feed(student, torch.cat([intervention.apply(own, batch), end_marker], 1))
    return own


def _speak(
    student: Student, front: _Front, max_new_tokens: int
) -> tuple[list[list[int]], list[float]]:
    """Greedy tokens of each row, and the probability of its first."""
    rows = len(front.hidden)
    tokens: list[list[int]] = [[] for _ in range(rows)]
    open_rows = set(range(rows))
    confidence = [0.0] * rows
    for number in range(max_new_tokens):
        logits = student.model.lm_head(front.hidden[:, -1]).float()
        chosen = logits.argmax(1)
        if number == 0:
            confidence = logits.softmax(1).gather(1, chosen[:, None])[:, 0].tolist()
        for i, token in enumerate(chosen.tolist()):
            if i in open_rows and token in student.prompts.stop_ids:
                open_rows.remove(i)
            elif i in open_rows:
                tokens[i].append(token)
        if not open_rows or number == max_new_tokens - 1:
            break
        front.feed(student, student.embed_ids(chosen[:, None]))
    return tokens, confidence

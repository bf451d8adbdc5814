"""Greedy answers for a batch: the prompt once, K latent steps, then tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from storm.errors import ConfigError
from storm.student.attention import PromptKV, StepKV, key_bias
from storm.student.attention_map import AttentionMap, attention_maps
from storm.student.batch import Batch
from storm.student.interventions import Intervention
from storm.student.jacobi import Jacobi, latents_before_last_sweep
from storm.student.model import LatentModel
from storm.student.rollout import run_prefix
from storm.student.timing import Clock, Timings


@dataclass(frozen=True, eq=False)
class Answer:
    """What the student generates for one question.

    Attributes:
        token_ids: Without the end of the turn.
        token_probabilities: Of each token, and of the end of the turn if it was chosen.
        latents: (K, d) as rolled out, a patch put in, before what else an intervention does; None
            for a direct answer.
        confidence: Probability of the first answer token.
        attention: Of the first answer token, if it was requested.
    """

    text: str
    token_ids: tuple[int, ...]
    token_probabilities: tuple[float, ...]
    latents: torch.Tensor | None
    confidence: float
    timings: Timings
    attention: AttentionMap | None = None


@dataclass
class DecodeState:
    """What a batch has read so far.

    Attributes:
        hidden: Last hidden state of the last token, (B, 1, d).
        position: Rotary position of the next token, (B,).
        steps: Everything after the prompt; None if there is nothing yet.
        bias: Added to later tokens' scores against the prompt, (B, 1, 1, P); None: the prompt's.
        weights: The last token's attention by layer, (B, heads, keys); None if it is not kept.
    """

    prompt: PromptKV
    hidden: torch.Tensor
    position: torch.Tensor
    steps: StepKV | None = None
    bias: torch.Tensor | None = None
    weights: dict[int, torch.Tensor] | None = None

    def next_positions(self, count: int) -> torch.Tensor:
        """Return the rotary positions of the next tokens, (3, B, count)."""
        following = self.position[:, None] + torch.arange(count, device=self.position.device)
        return following.expand(3, -1, -1)

    def read(self, student: LatentModel, embeds: torch.Tensor) -> torch.Tensor:
        """Read vectors (B, T, d); return their hidden states (B, T, d)."""
        count = embeds.shape[1]
        self.steps = StepKV(self.prompt, self.steps, self.bias)
        if self.weights is not None:
            self.weights = self.steps.weights = {}
        hidden = student.trunk(embeds, self.next_positions(count), None, self.steps)
        self.hidden, self.position = hidden[:, -1:], self.position + count
        return hidden

    def restart(self, position: torch.Tensor) -> None:
        """Forget everything after the prompt; the next token is at `position`."""
        self.steps, self.position = None, position


@torch.no_grad()
def generate(
    student: LatentModel,
    batch: Batch,
    *,
    mode: Literal["direct", "latent"] = "latent",
    intervention: Intervention | None = None,
    max_new_tokens: int = 16,
    sweeps: int | None = None,
    attention: bool = False,
) -> list[Answer]:
    """Return greedy answers to a batch's prompts; see `Student.generate`."""
    _check_request(student, mode, intervention, max_new_tokens, sweeps)
    _check_length(student, batch, max_new_tokens + (student.k + 2 if mode == "latent" else 0))
    batch = batch.to(student.device)
    clock = Clock(student.device)
    prompts = batch.prompts(student.prompts.latent_ids[:1] if mode == "latent" else ())
    state = prefill(student, prompts, attention)
    prefill_seconds = clock.lap()
    latents = None
    if mode == "latent":
        if student.latent.rolls_out:
            latents = roll_out_latents(student, prompts, state, intervention, sweeps)
        else:
            latents = prefill_latents(student, prompts, state)
    latent_seconds = clock.lap()
    maps = attention_maps(state.weights, prompts) if state.weights is not None else None
    state.weights = None
    token_ids, probabilities = decode_answer(student, state, max_new_tokens)
    timings = Timings(
        prefill=prefill_seconds, latents=latent_seconds, answer=clock.lap(), rows=len(batch)
    )
    return [
        Answer(
            text=student.tokenizer.decode(ids, skip_special_tokens=True),
            token_ids=tuple(ids),
            token_probabilities=tuple(probabilities[i]),
            latents=None if latents is None else latents[i],
            confidence=probabilities[i][0],
            timings=timings,
            attention=None if maps is None else maps[i],
        )
        for i, ids in enumerate(token_ids)
    ]


def prefill(student: LatentModel, prompts: Batch, attention: bool) -> DecodeState:
    """Read the prompts, which end with the start marker where latents follow."""
    weights = {} if attention else None
    width = prompts.ids.shape[1]
    prompt, hidden = run_prefix(student, prompts, width, weights)
    position = prompts.next_position + (width - prompts.prompt_width)
    return DecodeState(prompt, hidden, position, weights=weights)


def roll_out_latents(
    student: LatentModel,
    prompts: Batch,
    state: DecodeState,
    intervention: Intervention | None,
    sweeps: int | None,
) -> torch.Tensor:
    """Roll out the latents, then read them, or what the intervention makes of them.

    The end marker is read last. The last latent shares its call, if it was not read before.

    Returns:
        The latents as rolled out, (B, K, d).
    """
    first_position = state.position
    change = intervention or Intervention()
    sweeps = change.sweeps if sweeps is None else sweeps
    if sweeps is None:
        latents = _take_steps(student, state, change)
        unread = latents[:, -1:]
    else:
        slots = state.next_positions(student.k)
        latents = latents_before_last_sweep(
            student, state.prompt, state.hidden, slots, Jacobi(sweeps), change.feed
        )
        latents = unread = change.feed(latents, 0)
    end_id = student.prompts.latent_ids[2]
    end_marker = student.embed_ids(prompts.ids.new_full((len(prompts), 1), end_id))
    if intervention is None:
        state.read(student, torch.cat([unread, end_marker], 1))
    elif intervention.hides_latents:
        state.restart(first_position + student.k)
        state.read(student, end_marker)
    elif intervention.hides_video:
        if student.k:
            state.read(student, unread)
        state.bias = key_bias(prompts.valid & ~prompts.video_mask, latents.dtype)
        state.read(student, end_marker)
    else:
        state.restart(first_position)
        state.read(student, torch.cat([intervention.apply(latents, prompts), end_marker], 1))
    return latents


def prefill_latents(student: LatentModel, prompts: Batch, state: DecodeState) -> torch.Tensor:
    """Read the span's tokens and the end marker in one pass; return the latents (B, K, d)."""
    span = [*student.prompts.span_ids, student.prompts.latent_ids[2]]
    ids = prompts.ids.new_tensor(span).expand(len(prompts), -1)
    return student.head(state.read(student, student.embed_ids(ids))[:, :-1])


def _take_steps(student: LatentModel, state: DecodeState, change: Intervention) -> torch.Tensor:
    """Return the latents (B, K, d), one after another; all but the last are read."""
    latents: list[torch.Tensor] = []
    for i in range(student.k):
        if i:
            state.read(student, latents[-1])
        latents.append(change.feed(student.head(state.hidden), i))
    return torch.cat(latents, 1) if latents else state.hidden[:, :0]


def decode_answer(
    student: LatentModel, state: DecodeState, max_new_tokens: int
) -> tuple[list[list[int]], list[list[float]]]:
    """Return each row's greedy tokens and the probability of each choice, the turn's end too."""
    rows = len(state.hidden)
    tokens: list[list[int]] = [[] for _ in range(rows)]
    probabilities: list[list[float]] = [[] for _ in range(rows)]
    open_rows = set(range(rows))
    for number in range(max_new_tokens):
        logits = student.model.lm_head(state.hidden[:, -1]).float()
        best, chosen = logits.max(1)
        probability = (best - logits.logsumexp(1)).exp().tolist()
        for i, token in enumerate(chosen.tolist()):
            if i not in open_rows:
                continue
            probabilities[i].append(probability[i])
            if token in student.prompts.stop_ids:
                open_rows.remove(i)
            else:
                tokens[i].append(token)
        if not open_rows or number == max_new_tokens - 1:
            break
        state.read(student, student.embed_ids(chosen[:, None]))
    return tokens, probabilities


def _check_request(
    student: LatentModel,
    mode: str,
    intervention: Intervention | None,
    max_new_tokens: int,
    sweeps: int | None,
) -> None:
    """Raise ConfigError for arguments that exclude each other."""
    if mode not in ("direct", "latent"):
        raise ConfigError(f"expected mode 'direct' or 'latent', found {mode!r}")
    if mode == "direct" and intervention is not None:
        raise ConfigError(f"expected mode 'latent' for an intervention, found {intervention!r}")
    if not student.latent.rolls_out and (intervention is not None or sweeps is not None):
        raise ConfigError(
            "expected a student that rolls its latents out for an intervention or sweeps, found "
            f"one that reads {student.latent.input} in their places"
        )
    if mode == "direct" and sweeps is not None:
        raise ConfigError(f"expected mode 'latent' for Jacobi sweeps, found {sweeps = }")
    if sweeps is not None and intervention is not None and intervention.sweeps is not None:
        raise ConfigError(
            f"expected one number of Jacobi sweeps, found {sweeps = } and {intervention!r}"
        )
    if intervention is not None and intervention.hides_video and not student.adapter.can_hide:
        raise ConfigError(
            "expected a family that keeps what it read only in keys and values to hide the video "
            f"from the answer, found {student.adapter.family!r}: its linear layers have mixed the "
            "video into their state"
        )
    if max_new_tokens < 1:
        raise ConfigError(f"expected at least one new token, found {max_new_tokens = }")


def _check_length(student: LatentModel, batch: Batch, new_tokens: int) -> None:
    """Raise DataError if the longest prompt leaves no room for what follows it."""
    lengths = batch.valid[:, : batch.prompt_width].sum(1)
    longest = int(lengths.argmax())
    video_tokens = int(batch.video_mask[longest].sum())
    student.prompts.check_length(int(lengths[longest]) + new_tokens, video_tokens)

"""Greedy answers for a batch: the prompt once, K latent steps, then tokens."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from storm.errors import ConfigError
from storm.student.attention import PromptKV, StepKV, key_bias
from storm.student.batch import Batch
from storm.student.interventions import Intervention
from storm.student.jacobi import Jacobi, latents_before_last_sweep
from storm.student.model import LatentModel
from storm.student.rollout import run_prefix
from storm.student.timing import Clock, Timings


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """Where a row looked as it chose its first answer token."""

    weights: torch.Tensor  # (layers, heads, keys), fp32; over the keys they add up to 1
    video: torch.Tensor  # (keys,) bool: the videos' tokens
    latents: torch.Tensor  # (keys,) bool: the latent states that the answer was given

    def shares(self) -> dict[str, torch.Tensor]:
        """`text` (markers too), `video`, `latents`: (layers,) each, the mean over heads."""
        mean = self.weights.mean(1)
        video, latents = mean[:, self.video].sum(1), mean[:, self.latents].sum(1)
        return {"text": 1 - video - latents, "video": video, "latents": latents}

    def cpu(self) -> AttentionMap:
        """Return the map on the CPU."""
        return AttentionMap(self.weights.cpu(), self.video.cpu(), self.latents.cpu())


@dataclass(frozen=True, eq=False)
class Answer:
    """What the student generates for one question."""

    text: str
    token_ids: tuple[int, ...]  # without the end of the turn
    token_probabilities: tuple[float, ...]  # of each token; one more if the turn's end was chosen
    latents: torch.Tensor | None  # (K, d), as rolled out, before any intervention; None if direct
    confidence: float  # probability of the first answer token
    timings: Timings
    attention: AttentionMap | None = None  # where it was asked for


@dataclass
class _Front:
    """Where a generation stands."""

    prefix: PromptKV
    step: StepKV | None
    bias: torch.Tensor | None  # against the prefix, for what comes next
    position: torch.Tensor  # (B,) rotary position of the next token
    hidden: torch.Tensor  # (B, 1, d) after the last token
    weights: dict[int, torch.Tensor] | None = None  # of the last token, where they are kept

    def positions(self, count: int) -> torch.Tensor:
        """(3, B, count) of the next tokens."""
        following = self.position[:, None] + torch.arange(count, device=self.position.device)
        return following.expand(3, -1, -1)

    def feed(self, student: LatentModel, embeds: torch.Tensor) -> None:
        """Read vectors (B, T, d)."""
        count = embeds.shape[1]
        self.step = StepKV(self.prefix, self.step, self.bias)
        if self.weights is not None:
            self.weights = self.step.weights = {}
        hidden = student.trunk(embeds, self.positions(count), None, self.step)
        self.hidden, self.position = hidden[:, -1:], self.position + count


@torch.no_grad()
def generate(
    student: LatentModel,
    batch: Batch,
    mode: str,
    intervention: Intervention | None,
    max_new_tokens: int,
    sweeps: int | None = None,
    attention: bool = False,
) -> list[Answer]:
    """Return greedy answers to a batch's prompts; see `Student.generate`."""
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
    if max_new_tokens < 1:
        raise ConfigError(f"expected at least one new token, found {max_new_tokens = }")
    batch = batch.to(student.device)
    clock = Clock(student.device)
    start, _, end = student.prompts.latent_ids
    span = student.k + 2 if mode == "latent" else 0
    read = batch.valid[:, : batch.prompt_width].sum(1)
    longest = int(read.argmax())
    student.prompts.check_length(
        int(read[longest]) + span + max_new_tokens, int(batch.video_mask[longest].sum())
    )
    shown = batch.prompts((start,) if mode == "latent" else ())
    kept = {} if attention else None
    prefix, hidden = run_prefix(student, shown, shown.ids.shape[1], kept)
    position = batch.next_position + (1 if mode == "latent" else 0)
    front = _Front(prefix, None, prefix.bias, position, hidden, kept)
    prefill = clock.lap()
    latents = None
    if mode == "latent":
        end_marker = student.embed_ids(batch.ids.new_full((len(batch), 1), end))
        latents = _think(student, shown, front, end_marker, intervention, sweeps)
    thought = clock.lap()
    maps = _maps(front.weights, shown) if front.weights is not None else None
    front.weights = None
    tokens, probabilities = _speak(student, front, max_new_tokens)
    timings = Timings(prefill=prefill, latents=thought, answer=clock.lap(), rows=len(batch))
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
        for i, ids in enumerate(tokens)
    ]


def _think(
    student: LatentModel,
    batch: Batch,
    front: _Front,
    end_marker: torch.Tensor,
    intervention: Intervention | None,
    sweeps: int | None,
) -> torch.Tensor:
    """Return the latents (B, K, d) as rolled out; read them and the end marker."""
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
    elif intervention.hides_latents:
        front.step, front.position = None, position + student.k
        front.feed(student, end_marker)
    elif intervention.hides_video:
        if student.k:
            front.feed(student, unread)
        front.bias = key_bias(batch.valid & ~batch.video_mask, own.dtype)
        front.feed(student, end_marker)
    else:
        front.step, front.position = None, position
        front.feed(student, torch.cat([intervention.apply(own, batch), end_marker], 1))
    return own


def _maps(weights: dict[int, torch.Tensor], batch: Batch) -> list[AttentionMap]:
    """Each layer's (B, heads, keys) as a map a row, without its padding."""
    stacked = torch.stack([weights[layer] for layer in sorted(weights)], 1).float()
    latents = stacked.shape[3] - batch.ids.shape[1] - 1  # the end marker is the last key
    maps = []
    for row in range(len(batch)):
        after = batch.valid.new_zeros(max(0, latents + 1))
        valid = torch.cat([batch.valid[row], ~after])
        video = torch.cat([batch.video_mask[row], after])
        thought = torch.zeros_like(video)
        thought[batch.ids.shape[1] : -1] = True
        maps.append(AttentionMap(stacked[row][..., valid], video[valid], thought[valid]))
    return maps


def _speak(
    student: LatentModel, front: _Front, max_new_tokens: int
) -> tuple[list[list[int]], list[list[float]]]:
    """Greedy tokens of each row, and the probability of each choice, the turn's end too."""
    rows = len(front.hidden)
    tokens: list[list[int]] = [[] for _ in range(rows)]
    probabilities: list[list[float]] = [[] for _ in range(rows)]
    open_rows = set(range(rows))
    for number in range(max_new_tokens):
        logits = student.model.lm_head(front.hidden[:, -1]).float()
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
        front.feed(student, student.embed_ids(chosen[:, None]))
    return tokens, probabilities

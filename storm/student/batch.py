"""How examples become one batch.

A batch lies in columns, so that every latent step is one slice for all rows:

    | left padding, prompt | start z_1 .. z_K end answer <|im_end|> | right padding |
    0                      prompt_width                                             S

A row without latents has its answer at `prompt_width`. Labels stand at the position that
predicts them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from storm.errors import DataError
from storm.student.example import Example
from storm.student.prompts import Prompts

IGNORED = -100


@dataclass(frozen=True)
class Batch:
    """Rows in columns (see the module). B rows, S columns, K latents, d hidden."""

    ids: torch.Tensor  # (B, S) int64
    valid: torch.Tensor  # (B, S) bool; False where padded
    positions: torch.Tensor  # (3, B, S) int64, rotary: time, height, width
    labels: torch.Tensor  # (B, S) int64; IGNORED where nothing is predicted
    video_mask: torch.Tensor  # (B, S) bool: where `features` go, in order
    latent_mask: torch.Tensor  # (B, S) bool: the K columns of rows with latents
    use_latents: torch.Tensor  # (B,) bool
    features: torch.Tensor | None  # (all videos' tokens, d)
    deepstack: tuple[torch.Tensor, ...]  # as `features`, a layer each
    targets: torch.Tensor | None  # (B, K, d); zero in rows that have none
    has_targets: torch.Tensor  # (B,) bool
    feed: torch.Tensor | None  # (B, K, d): what teacher forcing feeds; zero in rows without
    next_position: torch.Tensor  # (B,) int64: rotary position of the first column after the prompt
    prompt_width: int
    left_padded: bool
    all_latent: bool  # every row uses latents
    any_latent: bool
    all_feed: bool  # every row that uses latents has something to feed

    def __len__(self) -> int:
        return self.ids.shape[0]

    def prompts(self, ids: Sequence[int] = ()) -> Batch:
        """Return the prompts only, each followed by `ids`."""
        width, more = self.prompt_width, len(ids)
        tail = self.ids.new_tensor(ids).expand(len(self), more)
        positions = self.next_position[:, None] + torch.arange(more, device=self.ids.device)
        no = torch.zeros_like(tail, dtype=torch.bool)
        return dataclasses.replace(
            self,
            ids=torch.cat([self.ids[:, :width], tail], 1),
            valid=torch.cat([self.valid[:, :width], ~no], 1),
            positions=torch.cat([self.positions[:, :, :width], positions.expand(3, -1, -1)], 2),
            labels=torch.full_like(self.ids[:, :1], IGNORED).expand(-1, width + more),
            video_mask=torch.cat([self.video_mask[:, :width], no], 1),
            latent_mask=torch.cat([no.new_zeros(len(self), width), no], 1),
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""

        def move(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value.to(device, non_blocking=True)
            return tuple(move(v) for v in value) if isinstance(value, tuple) else value

        return dataclasses.replace(
            self, **{f.name: move(getattr(self, f.name)) for f in dataclasses.fields(self)}
        )


def collate(examples: Sequence[Example], prompts: Prompts) -> Batch:
    """Examples as one batch on the CPU; raises DataError where they don't fit the student."""
    if not examples:
        raise DataError("expected at least one example, found none")
    answered = [e.answer is not None for e in examples]
    if any(answered) != all(answered):
        raise DataError("expected answers in all examples of a batch or in none, found some")
    k, (start, _, end) = prompts.k, prompts.latent_ids
    heads = [prompts.layout(e) for e in examples]
    spans = [[start, *prompts.span_ids, end] if e.use_latents else [] for e in examples]
    answers = [prompts.answer_ids(e.answer) if e.answer is not None else () for e in examples]
    width = max(len(h.ids) for h in heads)
    columns = width + max(len(s) + len(a) for s, a in zip(spans, answers, strict=True))
    rows = len(examples)

    ids = np.full((rows, columns), prompts.pad_id, np.int64)
    valid = np.zeros((rows, columns), bool)
    positions = np.zeros((3, rows, columns), np.int64)
    labels = np.full((rows, columns), IGNORED, np.int64)
    video_mask = np.zeros((rows, columns), bool)
    latent_mask = np.zeros((rows, columns), bool)
    for i, (head, span, answer) in enumerate(zip(heads, spans, answers, strict=True)):
        left = width - len(head.ids)
        first = width + len(span)
        stop = first + len(answer)
        ids[i, left:width] = head.ids
        ids[i, width:first] = span
        ids[i, first:stop] = answer
        valid[i, left:stop] = True
        positions[:, i, left:width] = head.positions
        positions[:, i, width:] = head.next_position + np.arange(columns - width)
        video_mask[i, left:width] = head.video_mask
        labels[i, first - 1 : stop - 1] = answer
        if span:
            latent_mask[i, width + 1 : width + 1 + k] = True
    longest = int(valid.sum(1).argmax())
    prompts.check_length(int(valid[longest].sum()), int(video_mask[longest].sum()))

    videos = [video for e in examples for video in e.videos]
    prompts.check_videos(videos)
    targets, has_targets = _stack([e.targets for e in examples], prompts)
    feed, fed = targets, has_targets
    if any(e.targets is None and e.latent_video is not None for e in examples):
        feed, fed = _stack([e.feed for e in examples], prompts)
    latent = [e.use_latents for e in examples]
    return Batch(
        ids=torch.from_numpy(ids),
        valid=torch.from_numpy(valid),
        positions=torch.from_numpy(positions),
        labels=torch.from_numpy(labels),
        video_mask=torch.from_numpy(video_mask),
        latent_mask=torch.from_numpy(latent_mask),
        use_latents=torch.tensor(latent),
        features=torch.cat([v.tokens for v in videos]) if videos else None,
        deepstack=tuple(
            torch.cat([v.deepstack[i] for v in videos])
            for i in range(prompts.adapter.deepstack_layers if videos else 0)
        ),
        targets=targets,
        has_targets=torch.tensor(has_targets),
        feed=feed,
        next_position=torch.tensor([h.next_position for h in heads]),
        prompt_width=width,
        left_padded=any(len(h.ids) != width for h in heads),
        all_latent=all(latent),
        any_latent=any(latent),
        all_feed=all(f for f, uses in zip(fed, latent, strict=True) if uses),
    )


def _stack(
    values: Sequence[torch.Tensor | None], prompts: Prompts
) -> tuple[torch.Tensor | None, list[bool]]:
    """(B, K, hidden) with zeros for rows that have none, and which rows have one."""
    has = [value is not None for value in values]
    expected = (prompts.k, prompts.adapter.hidden_size)
    for value in values:
        if value is not None and tuple(value.shape) != expected:
            raise DataError(
                f"expected latent vectors of shape {expected}, as the checkpoint's K and width "
                f"say, found {tuple(value.shape)}"
            )
    if not any(has):
        return None, has
    zero = torch.zeros(expected)
    return torch.stack([zero if value is None else value.float() for value in values]), has

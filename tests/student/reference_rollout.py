"""The rollout as it is defined: K + 1 full forward passes of one unpadded row, no cache.

It goes through transformers' outer model with its own sdpa attention and positions (but
Qwen2.5-VL's by hand, as Qwen defines them), so that it shares nothing with the student but weights
and token ids.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import torch

from storm.student import Example, Student


def _full(student: Student, example: Example, ids: torch.Tensor, latents: list[torch.Tensor]):
    """Last hidden states (1, S, d) of `ids` with `latents` in the places of the pads."""
    adapter, model = student.adapter, student.model
    embeds = model.get_input_embeddings()(ids[None])
    pads = ids == student.prompts.latent_ids[1]
    if latents:
        embeds = embeds.masked_scatter(pads[None, :, None], torch.cat(latents, 1).to(embeds.dtype))
    kinds = (ids == adapter.video_pad_id).int()[None] * 2
    arguments: dict[str, Any] = {}
    if example.videos:
        outputs = SimpleNamespace(
            pooler_output=tuple(v.tokens for v in example.videos),
            deepstack_features=[
                tuple(v.deepstack[i] for v in example.videos)
                for i in range(adapter.deepstack_layers)
            ],
        )
        grids = torch.tensor([v.grid_thw for v in example.videos])
        arguments = {"mm_encoder_outputs": {"video": outputs}, "video_grid_thw": grids}
    if adapter.family == "qwen2_5_vl":
        positions = _qwen2_5_positions(student, example, ids)
    else:
        positions, _ = model.model.get_rope_index(
            ids[None],
            mm_token_type_ids=kinds,
            video_grid_thw=arguments.get("video_grid_thw"),
        )
    return model.model(
        inputs_embeds=embeds, position_ids=positions, use_cache=False, **arguments
    ).last_hidden_state


def _qwen2_5_positions(student: Student, example: Example, ids: torch.Tensor) -> torch.Tensor:
    """(3, 1, S): what follows text or a video begins at the largest position so far + 1."""
    vision = student.model.config.vision_config
    merge, videos = vision.spatial_merge_size, iter(example.videos)
    parts, begin = [], 0
    for is_video, group in groupby((ids == student.adapter.video_pad_id).tolist()):
        if is_video:
            video = next(videos)
            (seconds,) = student.adapter.rope_extras([video])["second_per_grid_ts"]
            t, h, w = video.grid_thw
            times = (torch.arange(t) * (vision.tokens_per_second * seconds)).long()
            part = torch.cartesian_prod(times, torch.arange(h // merge), torch.arange(w // merge)).T
        else:
            part = torch.arange(len(list(group))).expand(3, -1)
        parts.append(part + begin)
        begin = int(parts[-1].max()) + 1
    return torch.cat(parts, 1)[:, None]


Feed = Callable[[torch.Tensor, int], torch.Tensor]


def rollout(
    student: Student,
    example: Example,
    feed: torch.Tensor | None = None,
    through: int | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Answer loss (mean over its tokens) and latents (K, d); `feed` (K, d) is fed if given.

    Of the student's own latents, the last `through` are fed with their gradient; None: all.
    """

    def given(z: torch.Tensor, i: int) -> torch.Tensor:
        if feed is not None:
            return feed[None, i]
        return z if through is None or student.k - i <= through else z.detach()

    latents, fed = _steps(student, example, given)
    assert example.answer is not None
    answer = torch.tensor(student.prompts.answer_ids(example.answer))
    hidden = _answer(student, example, fed, answer)
    loss = torch.nn.functional.cross_entropy(student.model.lm_head(hidden[:-1]).float(), answer)
    return loss, torch.cat(latents, 1)[0] if latents else hidden[:0]


def patched(
    student: Student, example: Example, donor: torch.Tensor, slot: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """What is read as latents (K, d) and the first answer token's probabilities (vocabulary).

    `donor` (K, d) gives z_slot, counted from 1.
    """
    _, fed = _steps(student, example, lambda z, i: donor[None, i] if i == slot - 1 else z)
    hidden = _answer(student, example, fed, torch.tensor([], dtype=torch.long))
    return torch.cat(fed, 1)[0], student.model.lm_head(hidden[-1]).float().softmax(0)


def _steps(
    student: Student, example: Example, feed: Feed
) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Each slot's latent and what is fed for it, (1, 1, d) each."""
    start, pad, _ = student.prompts.latent_ids
    prompt = torch.from_numpy(student.prompts.layout(example).ids)
    one = prompt.new_tensor
    latents: list[torch.Tensor] = []
    fed: list[torch.Tensor] = []
    for i in range(student.k):
        ids = torch.cat([prompt, one([start]), one([pad] * i)])
        latents.append(student.head(_full(student, example, ids, fed)[:, -1:]))
        fed.append(feed(latents[-1], i).view(1, 1, -1))
    return latents, fed


def _answer(
    student: Student, example: Example, fed: list[torch.Tensor], answer: torch.Tensor
) -> torch.Tensor:
    """Last hidden states (answer + 1, d) of the end marker and of each answer token."""
    start, pad, end = student.prompts.latent_ids
    prompt = torch.from_numpy(student.prompts.layout(example).ids)
    span = prompt.new_tensor([start, *[pad] * student.k, end])
    ids = torch.cat([prompt, span, answer])
    return _full(student, example, ids, fed)[0, -len(answer) - 1 :]

"""Where the student looked as it chose the first answer token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from storm.student.batch import Batch


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """A row's attention from the token before the answer.

    Attributes:
        weights: (layers, heads, keys), fp32; they sum to 1 over the keys.
        video: Which keys are tokens of videos, (keys,) bool.
        latents: Which keys are the latent states that the answer was given, (keys,) bool.
    """

    weights: torch.Tensor
    video: torch.Tensor
    latents: torch.Tensor

    def shares(self) -> dict[str, torch.Tensor]:
        """Return shares of `text` (with markers), `video` and `latents`, (layers,) each.

        They are means over the heads.
        """
        mean = self.weights.mean(1)
        video, latents = mean[:, self.video].sum(1), mean[:, self.latents].sum(1)
        return {"text": 1 - video - latents, "video": video, "latents": latents}

    def cpu(self) -> AttentionMap:
        """Return the map on the CPU."""
        return AttentionMap(self.weights.cpu(), self.video.cpu(), self.latents.cpu())


def attention_maps(weights: Mapping[int, torch.Tensor], prompts: Batch) -> list[AttentionMap]:
    """Return a map per row, without the row's padding.

    Args:
        weights: Each layer's attention, (B, heads, keys): the prompt, then latents and end marker.
        prompts: The prompts as they were read.
    """
    stacked = torch.stack([weights[layer] for layer in sorted(weights)], 1).float()
    width = prompts.ids.shape[1]
    after = prompts.valid.new_zeros(stacked.shape[3] - width)
    maps = []
    for row in range(len(prompts)):
        valid = torch.cat([prompts.valid[row], ~after])
        video = torch.cat([prompts.video_mask[row], after])
        latents = torch.zeros_like(video)
        latents[width:-1] = True  # the end marker is the last key
        maps.append(AttentionMap(stacked[row][..., valid], video[valid], latents[valid]))
    return maps

"""States of linear-attention layers (Qwen3.5), handed down like a cache, each written once.

Such a layer reads and writes a convolution's last inputs and a recurrent state through
`past_key_values`. transformers' own caches write in place, which autograd and a checkpoint's
recomputation don't survive; these keep what came before apart from what this call leaves.
"""

from __future__ import annotations

from typing import Any

import torch


class RecurrentState:
    """What one call reads (`before`) and leaves; a prompt's reads nothing.

    The methods are those that transformers' layers call on `past_key_values`. Keys and values of
    full-attention layers pass through: `storm.student.attention` keeps those.
    """

    def __init__(self, before: RecurrentState | None = None):
        # not `before` itself: a chain of all earlier steps would keep their states alive
        self._before = None if before is None else (before.conv, before.recurrent)
        self.conv: dict[int, torch.Tensor] = {}  # layer -> (B, channels, kernel)
        self.recurrent: dict[int, torch.Tensor] = {}  # layer -> (B, heads, key size, value size)

    def get_conv_state(self, layer_idx: int, state_idx: int = 0) -> torch.Tensor | None:
        """Return the convolution's state before this call, if any."""
        return None if self._before is None else self._before[0][layer_idx]

    def get_recurrent_state(self, layer_idx: int, state_idx: int = 0) -> torch.Tensor | None:
        """Return the delta rule's state before this call, if any."""
        return None if self._before is None else self._before[1][layer_idx]

    def is_recording_past(self, layer_idx: int) -> bool:
        """Return whether states are kept."""
        return True  # or a single token would update the convolution's state in place

    def update_conv_state(
        self, conv_states: torch.Tensor, layer_idx: int, *, conv_kernel_size: int, **_: Any
    ) -> torch.Tensor:
        """Return the convolution's inputs (B, channels, tokens), earlier ones first."""
        before = self.get_conv_state(layer_idx)
        inputs = conv_states if before is None else torch.cat([before, conv_states], 2)
        self.conv.setdefault(layer_idx, inputs[:, :, -conv_kernel_size:].contiguous())
        return inputs

    def update_recurrent_state(
        self, recurrent_states: torch.Tensor, layer_idx: int, **_: Any
    ) -> torch.Tensor:
        """Keep the state after this call and return it."""
        self.recurrent.setdefault(layer_idx, recurrent_states)
        return recurrent_states

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, **_: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return keys and values as they are: attention keeps its own."""
        return key_states, value_states

"""Tensors as the arrays of rows and back: numpy has no bfloat16, its bits are kept as uint16."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """On the CPU, with the bits of a bfloat16 tensor as uint16, of any other one as float32."""
    import torch

    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(np.uint16)
    return tensor.float().numpy()


def from_numpy(array: np.ndarray) -> torch.Tensor:
    """Return the inverse of `to_numpy`, as a copy: stored arrays are read-only."""
    import torch

    copied = np.array(array)
    if copied.dtype == np.uint16:
        return torch.from_numpy(copied.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(copied)

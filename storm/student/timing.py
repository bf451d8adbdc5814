"""How long the parts of an answer took, with the device waited for before each reading."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timings:
    """Seconds of wall time. `prefill`, `latents` and `answer` are of the row's whole batch."""

    decode: float = 0.0  # of this row's videos: reading and scaling frames; 0 if it got them ready
    vision: float = 0.0  # of this row's videos: tower and merger
    prefill: float = 0.0  # the prompt, up to the first latent or the first answer token
    latents: float = 0.0  # K steps and the end marker, with what an intervention does
    answer: float = 0.0  # tokens; the first one's logits too
    rows: int = 1  # of the batch

    @property
    def total(self) -> float:
        """As long as this row's batch kept the model, and its own videos."""
        return self.decode + self.vision + self.prefill + self.latents + self.answer


class Clock:
    """Readings between which all work of a device is done."""

    def __init__(self, device: torch.device):
        self._wait = torch.get_device_module(device).synchronize  # nothing to do on a CPU
        self.lap()

    def lap(self) -> float:
        """Seconds since the last reading."""
        self._wait()
        now = time.perf_counter()
        before, self._last = getattr(self, "_last", now), now
        return now - before

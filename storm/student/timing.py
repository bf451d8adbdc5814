"""How long the parts of an answer took; each reading waits for the device."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Timings:
    """Seconds of wall time. `prefill`, `latents` and `answer` are of the row's whole batch."""

    decode: float = 0.0  # of this row's videos: reading and scaling frames; 0 for encoded videos
    vision: float = 0.0  # of this row's videos: the vision encoder
    prefill: float = 0.0  # the prompt, up to the first latent or the first answer token
    latents: float = 0.0  # K steps and the end marker, with what an intervention does
    answer: float = 0.0  # tokens; the first one's logits too
    rows: int = 1  # of the batch

    @property
    def total(self) -> float:
        """Time of this row's batch in the model and of its own videos."""
        return self.decode + self.vision + self.prefill + self.latents + self.answer


class Clock:
    """Stopwatch that waits until the device has finished its work."""

    def __init__(self, device: torch.device):
        self._wait = torch.get_device_module(device).synchronize  # returns at once on a CPU
        self.lap()

    def lap(self) -> float:
        """Seconds since the last reading."""
        self._wait()
        now = time.perf_counter()
        before, self._last = getattr(self, "_last", now), now
        return now - before

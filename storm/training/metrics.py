"""Training telemetry: progress events, metrics.jsonl and TensorBoard.

Events are JSON lines for the process that started the program: `phase`, `step`, `saving`,
`diagnostics`, `done`. `metrics.jsonl` and TensorBoard hold every step once, also after a kill and
a resume: the loss and its parts, gradient norm before clipping, learning rate, rows per second.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Emit = Callable[[Mapping[str, Any]], None]

_QUIET_SECONDS = 0.5  # between two step events


def take_stdout() -> Emit:
    """Keep standard output for events; send what libraries print to standard error."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    sys.stdout.flush()
    os.dup2(2, 1)

    def emit(event: Mapping[str, Any]) -> None:
        stream.write(json.dumps(event) + "\n")

    return emit


class Metrics:
    """The curve of one training, written by rank 0; other ranks hold a silent one."""

    def __init__(self, folder: Path, emit: Emit, steps: Sequence[int], *, silent: bool = False):
        """Start a curve.

        Args:
            folder: Where metrics.jsonl and TensorBoard's files go.
            emit: Takes events.
            steps: How many steps each phase has.
            silent: Write and emit nothing.
        """
        self._path, self._emit, self._silent = folder / "metrics.jsonl", emit, silent
        self._before = [sum(steps[:i]) for i in range(len(steps))]
        self._last_event = 0.0
        self._board: Any = None

    def resume(self, phase: int, step: int) -> None:
        """Forget what was logged at or after a step: it is trained again."""
        if self._silent:
            return
        kept = [line for line in self.read() if (line["phase"], line["step"]) < (phase, step)]
        text = "".join(json.dumps(line) + "\n" for line in kept)
        self._path.write_text(text)
        self.close()
        self._board = _tensorboard(self._path.parent / "tensorboard", self._before[phase] + step)

    def read(self) -> list[dict[str, Any]]:
        """Return the lines of metrics.jsonl; one that a kill cut short is left out."""
        lines = []
        if self._path.exists():
            for text in self._path.read_text().splitlines():
                with contextlib.suppress(ValueError):  # cut short by a kill
                    lines.append(json.loads(text))
        return lines

    def event(self, kind: str, **facts: Any) -> None:
        """Emit an event."""
        if not self._silent:
            self._emit({"event": kind, **facts})

    def step(self, phase: int, name: str, step: int, of: int, numbers: Mapping[str, float]) -> None:
        """Log a step, which counts from 0; its event says how many are done."""
        if self._silent:
            return
        with self._path.open("a") as file:
            file.write(json.dumps({"phase": phase, "kind": name, "step": step, **numbers}) + "\n")
        if self._board is not None:
            for key, value in numbers.items():
                self._board.add_scalar(f"{phase}_{name}/{key}", value, self._before[phase] + step)
        now = time.monotonic()
        if now - self._last_event >= _QUIET_SECONDS or step + 1 == of:
            self._last_event = now
            self.event("step", number=phase, step=step + 1, of=of, numbers=dict(numbers))

    def close(self) -> None:
        """Flush TensorBoard."""
        if self._board is not None:
            self._board.close()


def _tensorboard(folder: Path, step: int) -> Any:
    """Return a writer that discards what was written at or after `step` of all phases."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=step)

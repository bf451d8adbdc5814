"""Progress of a run: a bar for each shard being made, a line for each finished stage."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from storm.artifacts.stage import Stage
from storm.process.child import Event


class Console:
    """Progress bars on a terminal; elsewhere only the lines of finished stages."""

    def __init__(self) -> None:
        self.out = RichConsole(file=sys.stderr, soft_wrap=True)
        self.bars = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[text]}"),
            console=self.out,
            disable=not self.out.is_terminal,
            transient=True,
        )
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}

    def __enter__(self) -> Console:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def follow(self, stage: Stage[Any], number: int) -> Callable[[Event], None]:
        """Return a function that shows one shard's events."""
        name = stage.title if stage.shards == 1 else f"{stage.title} {number + 1}/{stage.shards}"
        with self._lock:
            self._started.setdefault(stage.title, time.monotonic())
        bar = self.bars.add_task(name, total=None, text="")

        def receive(event: Event) -> None:
            if "resumed" in event:
                self.bars.update(bar, total=event["of"], completed=event["resumed"])
            elif "end" in event and not stage.single_item:
                self.bars.advance(bar)
            elif "progress" in event:
                self.bars.update(
                    bar, total=event["of"], completed=event["progress"], text=event["text"]
                )

        return receive

    def sealed(self, stage: Stage[Any], manifest: dict[str, Any]) -> None:
        """Print the line of a stage that was made, and remove its bars."""
        seconds = time.monotonic() - self._started.get(stage.title, time.monotonic())
        quarantined = len(manifest["quarantined"])
        extra = f", [yellow]{quarantined} quarantined[/yellow]" if quarantined else ""
        self._line(
            f"[green]made[/green]    {stage.title:<32} {_rows(manifest)}{extra}, {seconds:.0f} s"
        )
        self._remove(stage)

    def cached(self, stage: Stage[Any], manifest: dict[str, Any]) -> None:
        """Print the line of a stage that was already there."""
        self._line(f"[dim]cached  {stage.title:<32} {_rows(manifest)}[/dim]")

    def _line(self, text: str) -> None:
        with self._lock:
            self.bars.console.print(text, highlight=False)

    def _remove(self, stage: Stage[Any]) -> None:
        for bar in self.bars.tasks:
            if bar.description == stage.title or bar.description.startswith(f"{stage.title} "):
                self.bars.remove_task(bar.id)


def _rows(manifest: dict[str, Any]) -> str:
    rows = manifest["rows"]
    return f"{rows:,} row{'' if rows == 1 else 's'}"

"""Read .srt subtitles and choose those on screen at sampled frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_TIME = r"(\d+):(\d+):(\d+)[,.](\d+)"
_RANGE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}")
_TAG = re.compile(r"</?(?:font|b|i|u)\b[^>]*>", re.IGNORECASE)


class Cue(NamedTuple):
    """One subtitle."""

    start_seconds: float
    end_seconds: float
    text: str  # one line, without tags


def read_cues(path: Path) -> list[Cue]:
    """Return the cues in the file's order; blocks without a time are skipped."""
    cues = []
    for block in re.split(r"\n\s*\n", path.read_text("utf-8-sig", errors="replace")):
        lines = block.strip().split("\n")
        for number, line in enumerate(lines):
            times = _RANGE.match(line)
            if times:
                part = [int(t) for t in times.groups()]
                start, end = (
                    part[i] * 3600 + part[i + 1] * 60 + part[i + 2] + part[i + 3] / 1000
                    for i in (0, 4)
                )
                text = _TAG.sub("", " ".join(lines[number + 1 :])).strip()
                cues.append(Cue(start, end, text))
                break
    return cues


def subtitles_at(path: Path, pts_seconds: Sequence[float] | None) -> str:
    """Return a line per cue on screen at any of the times (None: per cue), each cue once."""
    return "\n".join(
        cue.text
        for cue in read_cues(path)
        if cue.text
        and (
            pts_seconds is None
            or any(cue.start_seconds <= time < cue.end_seconds for time in pts_seconds)
        )
    )

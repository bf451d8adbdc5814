"""What every teacher offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from storm.records import Keyframes, Rejected, ThoughtPrompt, VideoSample


@dataclass(frozen=True)
class TeacherRequest:
    """One question and the keyframes of its video."""

    sample: VideoSample
    keyframes: Keyframes


class Teacher(Protocol):
    """Says what a video of the reasoning would show."""

    def write(self, requests: Sequence[TeacherRequest]) -> list[ThoughtPrompt | Rejected]:
        """One prompt or rejection a request, in order."""
        ...

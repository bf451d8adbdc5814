"""What every teacher offers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storm.records import Keyframes, Rejected, ThoughtPrompt, VideoSample


@dataclass(frozen=True)
class TeacherRequest:
    """One question and the keyframes of its video."""

    sample: VideoSample
    keyframes: Keyframes


@dataclass(frozen=True)
class TeacherSetup:
    """Where a teacher works; nothing of it changes what the teacher writes."""

    device: str
    response_cache: Path  # folder of the replies of servers, by request
    usage_log: Path  # file that counts requests and tokens of this artifact


class Teacher(Protocol):
    """Says what a video of the reasoning would show."""

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """One prompt or rejection a request, in any order.

        A request is taken when it can be worked on: those taken and not yet answered are what
        the death of the process costs.
        """
        ...

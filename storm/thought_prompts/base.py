"""Protocol of a teacher (the prompt LLM), its configuration and its requests."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from storm.config import ComponentConfig
from storm.records import Keyframes, Rejected, ThoughtPrompt, VideoSample


@dataclass(frozen=True)
class TeacherRequest:
    """One question and the keyframes of its video."""

    sample: VideoSample
    keyframes: Keyframes


@dataclass(frozen=True)
class TeacherSetup:
    """Where a teacher works; nothing in it changes what the teacher writes."""

    device: str
    response_cache: Path  # folder of the replies of servers, by request
    usage_log: Path  # file that counts requests and tokens of this artifact


class Teacher(Protocol):
    """Writes what a video of the reasoning has to show."""

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield one prompt or rejection per request, in any order.

        Take a request when it can be worked on: the death of the process costs those that were
        taken and not yet answered.
        """
        ...


class TeacherConfig(ComponentConfig):
    """Configuration of a teacher: every field is identity, unless `identity()` says otherwise."""

    @abstractmethod
    def build(self, setup: TeacherSetup) -> Teacher:
        """Return the teacher, with its model loaded."""

    def facts(self, usage_log: Path) -> dict[str, Any]:
        """Return counts and costs that the manifest records."""
        return {}

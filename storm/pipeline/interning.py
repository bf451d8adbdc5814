"""One object for equal stages, so that what arms share is made once."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from storm.artifacts.stage import Stage

AnyStage = TypeVar("AnyStage", bound=Stage[Any])


class Interning:
    """Returns the first of equal stages; their labels don't count."""

    def __init__(self) -> None:
        self._known: list[Stage[Any]] = []

    def __call__(self, stage: AnyStage) -> AnyStage:
        """Return an earlier stage that equals this one but for its label, else this one."""
        for known in self._known:
            if type(known) is type(stage) and known == dataclasses.replace(
                stage, label=known.label
            ):
                return known
        self._known.append(stage)
        return stage

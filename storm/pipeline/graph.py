"""Graph: stages in order, inputs before users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storm.artifacts.stage import Stage
from storm.errors import ConfigError


@dataclass(frozen=True)
class Graph:
    """The stages that `targets` need, inputs before users."""

    stages: tuple[Stage[Any], ...]

    @classmethod
    def of(cls, *targets: Stage[Any]) -> Graph:
        ordered: dict[int, Stage[Any]] = {}

        def visit(stage: Stage[Any]) -> None:
            if id(stage) not in ordered:
                for needed in stage.inputs.values():
                    visit(needed)
                ordered[id(stage)] = stage

        for target in targets:
            visit(target)
        return cls(tuple(ordered.values()))

    def __iter__(self) -> Iterator[Stage[Any]]:
        return iter(self.stages)

    def find(self, title: str) -> Stage[Any]:
        """A stage by its title, e.g. `stage_one` or `stage_one/shuffled`."""
        for stage in self.stages:
            if stage.title == title:
                return stage
        raise ConfigError(
            f"expected one of the stages {', '.join(s.title for s in self.stages)}, found {title!r}"
        )

    def up_to(self, title: str) -> Graph:
        return Graph.of(self.find(title))

"""The graph of stages, in an order in which they can be made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storm.artifacts.stage import Stage
from storm.errors import ConfigError


@dataclass(frozen=True)
class Graph:
    """Stages in an order in which each comes after its inputs."""

    stages: tuple[Stage[Any], ...]

    @classmethod
    def of(cls, *targets: Stage[Any]) -> Graph:
        """Return the targets and everything that they need."""
        ordered: dict[int, Stage[Any]] = {}

        def visit(stage: Stage[Any]) -> None:
            if id(stage) not in ordered:
                for upstream in stage.inputs.values():
                    visit(upstream)
                ordered[id(stage)] = stage

        for target in targets:
            visit(target)
        return cls(tuple(ordered.values()))

    def __iter__(self) -> Iterator[Stage[Any]]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    def find(self, title: str) -> Stage[Any]:
        """Return a stage by its title, e.g. `stage_one` or `stage_one/shuffled`.

        Raises:
            ConfigError: If there is none.
        """
        for stage in self.stages:
            if stage.title == title:
                return stage
        raise ConfigError(
            f"expected one of the stages {', '.join(s.title for s in self.stages)}, found {title!r}"
        )

    def up_to(self, title: str) -> Graph:
        """Return the stage of that title and everything that it needs."""
        return Graph.of(self.find(title))

"""Every benchmark by its name."""

from __future__ import annotations

from storm import plugins
from storm.benchmarks.benchmark import Benchmark


def names() -> tuple[str, ...]:
    return tuple(plugins.names("storm.benchmarks"))


def find(name: str) -> Benchmark:
    """The benchmark of this name. Raises `ConfigError` if there is none."""
    return plugins.find("storm.benchmarks", name)

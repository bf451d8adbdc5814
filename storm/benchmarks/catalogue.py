"""Every benchmark by its name: each file in `sets/` is one."""

from __future__ import annotations

import importlib
import pkgutil

from storm.benchmarks import sets
from storm.benchmarks.benchmark import Benchmark
from storm.errors import ConfigError


def names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(sets.__path__)))


def find(name: str) -> Benchmark:
    """The benchmark of this name. Raises `ConfigError` if there is none."""
    if name not in names():
        raise ConfigError(f"expected a benchmark of {', '.join(names())}; found {name!r}")
    return importlib.import_module(f"{sets.__name__}.{name}").BENCHMARK

"""A benchmark: how to load questions, how to ask them, how to score responses.

    BENCHMARK = Benchmark(
        name="mine",
        dataset=MyQuestions(),  # or a `TableDataset` of functions
        prompts={"default": make_prompt},
        scorers={"letter": Scorer(rule)},
    )

An entry point of the group `storm.benchmarks`, or an import path, names it. `scoring.py` does
what is the same for all benchmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from storm import plugins
from storm.benchmarks.harness.harness import Harness
from storm.benchmarks.types import (
    BenchmarkQuestion,
    DatasetLocation,
    LoadedQuestions,
    MakePrompt,
    ScoredResponse,
    Scorer,
)
from storm.errors import ConfigError

T = TypeVar("T")
Weights = Callable[[Sequence[ScoredResponse]], Sequence[float]]


class Dataset(Protocol):
    """The questions of a benchmark."""

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
        """Return a question from its columns.

        Args:
            id: Stable and unique within the benchmark.
            task: The task's name; '' if it must be told from the columns.
            doc: The data set's columns.

        Raises:
            BadEntry: With the reason `missing_column` or `bad_value`.
        """
        ...

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        """Return every question whose video exists, and name the others.

        Raises:
            DataError: If the data set as a whole can't be read.
        """
        ...


def each_scored(scored: Sequence[ScoredResponse]) -> Sequence[float]:
    """Return weight 1 for every response that has a score, 0 for the others."""
    return [0.0 if response.score is None else 1.0 for response in scored]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """One data set with its prompts, its scorers and the harnesses that also know it."""

    name: str
    dataset: Dataset
    prompts: Mapping[str, MakePrompt]  # by prompt id, the default first
    scorers: Mapping[str, Scorer]  # by scorer id, the default first
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])  # questions per task, if known
    max_new_tokens: int = 16  # of an answer; lmms-eval's bound where it has one
    weights: Weights = each_scored  # of responses in the headline; 0 leaves one out
    harness: Harness = field(default_factory=Harness)

    def pick_prompt(self, name: str | None = None) -> tuple[str, MakePrompt]:
        """Return a prompt with its id; None: the default. Raises ConfigError for no such one."""
        return _pick(self.prompts, name, f"a prompt of {self.name}")

    def pick_scorer(self, name: str | None = None) -> tuple[str, Scorer]:
        """Return a scorer with its id; None: the default. Raises ConfigError for no such one."""
        return _pick(self.scorers, name, f"a scorer of {self.name}")


def _pick(choices: Mapping[str, T], name: str | None, what: str) -> tuple[str, T]:
    name = name or next(iter(choices))
    if name not in choices:
        raise ConfigError(f"expected {what}: {', '.join(choices)}; found {name!r}")
    return name, choices[name]


def benchmark_names() -> tuple[str, ...]:
    """Return the names of all installed benchmarks."""
    return tuple(plugins.names("storm.benchmarks"))


def get_benchmark(name: str) -> Benchmark:
    """Return the benchmark of a name or import path; raises ConfigError if there is none."""
    benchmark = plugins.find("storm.benchmarks", name)
    if not isinstance(benchmark, Benchmark):
        raise ConfigError(f"expected a Benchmark at {name!r}, found {type(benchmark).__name__}")
    return benchmark

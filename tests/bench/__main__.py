"""Measure costs as ratios within one run, and mark what moved since the baseline.

`make bench`, or `python -m tests.bench [NAME ...]` for some of the files. Ends with status 1 if a
target is missed beyond the row's noise and the baseline doesn't know of it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from storm.process.environment import set_environment
from tests.bench.baseline import Baseline
from tests.bench.measure import Result

FILES = ("store", "targets", "student", "teachers", "benchmarks", "evaluate", "keyframes")
WIDTHS = (68, 7, 16, 9, 8, 11, 6)


def measure(names: list[str]) -> Iterator[tuple[Result, float]]:
    """Yield each row of the named files, and the seconds that it took to make and measure."""
    began = time.perf_counter()
    for name in names:
        for case in importlib.import_module(f"tests.bench.{name}").CASES:
            with tempfile.TemporaryDirectory() as folder:
                for row in case(Path(folder)):
                    result = row.measure()
                    yield result, time.perf_counter() - began
                    began = time.perf_counter()


def main(names: list[str], update: bool) -> int:
    """Print a table; return 1 if a target is missed that isn't known to be."""
    set_environment()
    baseline, results = Baseline.read(), []
    print_row("", "ratio", "noise", "target", "", "moved", "s")
    for result, seconds in measure(names):
        results.append(result)
        print_row(
            result.target.name,
            f"{result.ratio:.4g}",
            f"{result.low:.4g}..{result.high:.4g}" if result.low < result.high else "",
            str(result.target),
            baseline.verdict(result),
            baseline.change(result),
            f"{seconds:.0f}",
        )
    if update:
        baseline.write(results)
    return int(any(baseline.verdict(result) == "misses" for result in results))


def print_row(*columns: str) -> None:
    """Print the first column flush left, the others flush right."""
    first, *others = zip(columns, WIDTHS, strict=True)
    line = f"{first[0]:<{first[1]}}" + "".join(f"{text:>{width}}" for text, width in others)
    print(line, flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FILES)}")
    parser.add_argument(
        "--update", action="store_true", help="write the baseline; its misses are known from then"
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(FILES)):
        parser.error(f"expected names of {', '.join(FILES)}, found {', '.join(unknown)}")
    sys.exit(main(given.names or list(FILES), given.update))

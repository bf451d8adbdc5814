"""Measure costs as ratios within one run: machines are shared and noisy.

`make bench`, or `python -m tests.bench [NAME ...]` for some of the files.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from storm.process.environment import set_environment
from tests.bench.measure import Row

FILES = ("store", "targets", "student", "teachers", "benchmarks", "evaluate", "keyframes")


def main(names: list[str], out: Path) -> int:
    """Run the named files, all by default; return 1 if a target is missed."""
    set_environment()
    rows: list[Row] = []
    for name in names or FILES:
        for case in importlib.import_module(f"tests.bench.{name}").CASES:
            with tempfile.TemporaryDirectory() as folder:
                rows += case(Path(folder))
    width = max(len(row.what) for row in rows)
    print(f"{'name':<16}{'what against what':<{width + 2}}{'ratio':>9}{'target':>9}  holds")
    for row in rows:
        holds = "-" if row.target is None else "yes" if row.holds else "NO"
        target = "-" if row.target is None else f"{row.target:g}"
        print(f"{row.name:<16}{row.what:<{width + 2}}{row.ratio:>9.3f}{target:>9}  {holds}")
    out.parent.mkdir(parents=True, exist_ok=True)
    table = [{key: value for key, value in asdict(row).items() if key != "what"} for row in rows]
    out.write_text(json.dumps(table, indent=1) + "\n")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(FILES)}")
    parser.add_argument(
        "--out", type=Path, default=Path("artifacts/bench.json"), help="JSON file of the table"
    )
    given = parser.parse_args()
    if unknown := sorted(set(given.names) - set(FILES)):
        parser.error(f"expected names of {', '.join(FILES)}, found {', '.join(unknown)}")
    sys.exit(main(given.names, given.out))

"""`make bench`: what things cost, as ratios of one run, since machines are shared and noisy.

`python -m tests.bench [NAME ...]` runs the files of that name alone. The table is also written to
`artifacts/bench.json`.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from storm.process.environment import set_environment
from tests.bench.measure import Row

FILES = ("store", "targets", "student", "teachers", "benchmarks", "evaluate", "keyframes")


def main(names: list[str]) -> int:
    if unknown := sorted(set(names) - set(FILES)):
        print(f"expected names of {FILES}, found {unknown}", file=sys.stderr)
        return 2
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
    table = Path("artifacts/bench.json")
    table.parent.mkdir(exist_ok=True)
    found = [{k: v for k, v in asdict(row).items() if k != "what"} for row in rows]
    table.write_text(json.dumps(found, indent=1) + "\n")
    return 0 if all(row.holds for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

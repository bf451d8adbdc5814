"""The committed ratios of an earlier run, and what moved since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import Result

PATH = Path(__file__).with_name("baseline.json")
MOVED = 0.05  # share of the baseline's ratio


@dataclass(frozen=True)
class Baseline:
    """The ratio of each row by name, and the rows whose target is known to be missed."""

    ratios: dict[str, float]
    known_misses: frozenset[str]

    @classmethod
    def read(cls, path: Path = PATH) -> Baseline:
        """Read what `write` wrote."""
        rows = json.loads(path.read_text())
        return cls(
            {name: row["ratio"] for name, row in rows.items()},
            frozenset(name for name, row in rows.items() if row.get("known_miss")),
        )

    def write(self, results: Sequence[Result], path: Path = PATH) -> None:
        """Write these results over those of the same names; what misses is known from then on."""
        rows = {name: self._row(r, name in self.known_misses) for name, r in self.ratios.items()}
        for result in results:
            name = result.target.name
            rows[name] = self._row(result.ratio, result.verdict == "misses")
        path.write_text(json.dumps(rows, indent=1) + "\n")

    @staticmethod
    def _row(ratio: float, is_known_miss: bool) -> dict[str, float | bool]:
        row: dict[str, float | bool] = {"ratio": round(ratio, 4)}
        return {**row, "known_miss": True} if is_known_miss else row

    def change(self, result: Result) -> str:
        """Return by how much a row moved, e.g. `+12 %`, if by more than 5 % beyond its noise."""
        before = self.ratios.get(result.target.name)
        if before is None:
            return "new"
        moved = result.ratio / before - 1 if before else float(result.ratio != 0)
        if abs(moved) <= MOVED:
            return ""
        return f"{moved:+.0%}" + (" noise" if result.low <= before <= result.high else "")

    def verdict(self, result: Result) -> str:
        """Return the row's verdict: `known` for a miss that the baseline has too."""
        is_known = result.verdict == "misses" and result.target.name in self.known_misses
        return "known" if is_known else result.verdict

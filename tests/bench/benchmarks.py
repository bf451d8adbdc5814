"""What scoring costs: against reading the same lines, and against the model it is for."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from storm.benchmarks import paired
from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.responses import read_responses
from storm.benchmarks.scoring import aggregate, lines_of, score, summary_of
from tests.bench.measure import Pair, Row

_SAID = (
    "A",
    "(B)",
    "The best answer is C. The man leaves the room before the lamp is lit.",
    "<think>First the door opens, then the cup falls.</think>The answer is (D).",
    "",
    "Option B: the cup falls from the table, so it can't be A, which comes first.",
)


def scoring(folder: Path) -> Iterator[Row]:
    """10,000 responses to VideoMME, from the file to the lines and the aggregate."""
    rng = random.Random(0)
    doc = {
        "domain": "Knowledge",
        "sub_category": "Law",
        "task_type": "Action Reasoning",
        "question": "What does the man do after he has put the cup on the table?",
        "options": ["A. He leaves.", "B. The cup falls.", "C. He sits down.", "D. He sings."],
    }
    path = folder / "responses.jsonl"
    with open(path, "w") as file:
        for n in range(10_000):
            row = {**doc, "videoID": f"v{n // 3}", "duration": rng.choice(["short", "long"])}
            row["answer"] = rng.choice("ABCD")
            file.write(json.dumps({"id": str(n), "doc": row, "response": rng.choice(_SAID)}) + "\n")
    benchmark = get_benchmark("videomme")

    def bare() -> int:
        with open(path) as file:
            return sum(len(json.dumps(json.loads(line))) for line in file)

    def whole() -> int:
        run = score(benchmark, read_responses(benchmark, path))
        lines = [json.dumps(one) for one in lines_of(run)]
        return len(lines) + len(json.dumps(summary_of(run, aggregate(run))))

    yield Pair(name="scoring a file / reading and writing its JSON", a=whole, b=bare, at_most=8)


def comparison(folder: Path) -> Iterator[Row]:
    """The interval and test of 2,700 questions on 900 videos: against 10,000 draws of a mean."""
    import numpy as np

    rng = np.random.default_rng(0)
    values = rng.choice([-1.0, 0.0, 1.0], 2700)
    pairs = [paired.Pair(0.5 + v / 2, 0.5 - v / 2, f"v{n // 3}") for n, v in enumerate(values)]

    def by_question() -> float:
        draws = np.random.default_rng(0)
        return float(
            sum(values[draws.integers(0, 2700, (1000, 2700))].mean(1).sum() for _ in range(10))
        )

    yield Pair(
        name="paired difference of 900 videos / bootstrap of a mean, 10,000 draws",
        a=lambda: paired.paired_difference(pairs),
        b=by_question,
        at_most=1,
    )


CASES = (scoring, comparison)

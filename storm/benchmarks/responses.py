"""Read response files: the project's lines, lmms-eval's samples, a benchmark's own format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storm.benchmarks.benchmark import Benchmark
from storm.benchmarks.types import AnsweredQuestion
from storm.errors import DataError
from storm.records import Rejected
from storm.videos.questions.values import BadEntry

Located = tuple[str, Any]  # a place in the file, and its value or the error of reading it
_SAMPLES = re.compile(r"(?:^|_)samples_(.+)$")


def read_responses(benchmark: Benchmark, path: Path) -> Iterator[AnsweredQuestion | Rejected]:
    """Yield every response of a file in its order; a bad line is named by its place.

    The project's own line is `{"id", "doc": {the data set's columns}, "response", "task"?}`.

    Raises:
        DataError: If the file can't be read.
    """
    if not path.is_file():
        raise DataError(f"expected a file of responses (JSON lines), found none: {path}")
    named = _SAMPLES.search(path.stem)
    rows = _official(benchmark, path) or _lines(path)
    for where, row in rows:
        id = where
        try:
            if isinstance(row, Exception):
                raise BadEntry("bad_json", str(row))
            id, task, doc, response = _parsed(benchmark, row, where, named[1] if named else "")
            if response is not None and not isinstance(response, str):
                raise BadEntry("bad_response", f"expected a text or null, found {response!r:.100}")
            yield AnsweredQuestion(benchmark.dataset.question(id, task, doc), response)
        except BadEntry as error:
            yield Rejected(id=id, reason=error.reason, detail=f"{where}: {error}")


def _official(benchmark: Benchmark, path: Path) -> Iterator[Located] | None:
    """Return the rows of a prediction file of the benchmark's own repository, if it is one."""
    if path.suffix != ".json":
        return None
    try:
        rows = benchmark.harness.predictions(json.loads(path.read_text("utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return None  # JSON lines named .json, or no JSON
    if rows is None:
        return None
    return (
        (f"entry {n}", {"id": f"{path.stem}/{n}", "doc": doc, "response": doc.get("prediction")})
        for n, doc in enumerate(rows)
    )


def _lines(path: Path) -> Iterator[Located]:
    """Yield each line's value, or the error of a line that isn't JSON."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                try:
                    yield f"line {number}", json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield f"line {number}", error
    except OSError as error:
        raise DataError(f"expected a file of responses: {path}: {error}") from None


def _parsed(
    benchmark: Benchmark, row: Any, where: str, task: str
) -> tuple[str, str, Mapping[str, Any], Any]:
    """Return id, task, columns and response of a line, the project's or lmms-eval's."""
    if not isinstance(row, Mapping):
        raise BadEntry("not_an_object", f"expected an object, found {type(row).__name__}")
    task = str(row.get("task") or task)
    if "filtered_resps" in row:
        doc = row.get("doc") or benchmark.harness.columns(row)
        number = row.get("doc_id", where)
        return f"{task}/{number}" if task else str(number), task, doc, _raw_response(row)
    for column in ("id", "doc", "response"):
        if column not in row:
            raise BadEntry("missing_column", f"expected {column!r}, found {sorted(row)}")
    id, doc = row["id"], row["doc"]
    if isinstance(id, bool) or not isinstance(id, str | int) or id == "":
        raise BadEntry("bad_id", f"expected a text as id, found {id!r}")
    if not isinstance(doc, Mapping):
        raise BadEntry("bad_value", f"expected an object as doc, found {type(doc).__name__}")
    return str(id), task, doc, row["response"]


def _raw_response(sample: Mapping[str, Any]) -> Any:
    """Return `resps`, if it differs from `filtered_resps`; either may be a list of one."""
    response = sample.get("resps", sample["filtered_resps"])
    while isinstance(response, list) and response:
        response = response[0]
    return response

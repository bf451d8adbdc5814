"""Data sets that are tables: Parquet or JSON in a folder, or a hub id through `datasets`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm.benchmarks.types import BenchmarkQuestion, DatasetLocation, LoadedQuestions
from storm.errors import BackendMissing, DataError
from storm.records import Rejected
from storm.videos.questions.values import BadEntry


def read_table(path: Path) -> list[Any]:
    """Return a file's rows; of a JSON object its pairs (key, value).

    Only data is read, never code or pickles.

    Raises:
        DataError: If the file can't be read.
    """
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path).to_pylist()
        text = path.read_text("utf-8-sig")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        value = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # pyarrow's are among these
        raise DataError(f"expected a table (Parquet, JSON, JSON lines): {path}: {error}") from None
    if isinstance(value, dict):
        return list(value.items())
    if not isinstance(value, list):
        raise DataError(f"expected a list of rows, found {type(value).__name__}: {path}")
    return value


def read_folder(folder: Path, patterns: Sequence[str]) -> list[Any]:
    """Return the rows of the files that match the first pattern with any match; else [].

    Raises:
        DataError: If a file can't be read.
    """
    for pattern in patterns:
        paths = sorted(folder.glob(pattern))
        if paths:
            return [row for path in paths for row in read_table(path)]
    return []


def read_hub(
    location: DatasetLocation,
    known: Sequence[str],
    config: str | None,
    split: str,
    revision: str | None = None,
) -> list[dict[str, Any]]:
    """Return a split's rows from the hub's cache, or from the hub if they aren't there.

    Args:
        location: The hub id, and perhaps a revision.
        known: Hub ids that hold the data set, for the error message.
        config: The data set's configuration.
        split: The split's name.
        revision: Used if the location names none.

    Raises:
        DataError: If neither has it.
    """
    if location.where.count("/") != 1:
        raise DataError(
            f"expected a folder or a hub id such as {', '.join(known)}: found {location.where!r}"
        )
    try:
        import datasets
    except ImportError:
        raise BackendMissing("datasets", "reading a data set of the hub") from None

    problems: list[str] = []
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    for local in (True,) if offline else (True, False):
        settings = datasets.DownloadConfig(local_files_only=local)
        try:
            table = datasets.load_dataset(
                location.where,
                config,
                split=split,
                revision=location.revision or revision,
                download_config=settings,
            )
        except Exception as error:  # each of its back ends has its own
            problems.append(f"{type(error).__name__}: {error}")
            continue
        return [dict(row) for row in table]
    last = problems[-1].split("\n")[0]
    raise DataError(f"expected the data set {location.where!r} in the hub's cache or hub: {last}")


def task_and_number(task: str, number: int, row: Mapping[str, Any]) -> str:
    """Return the id of a row that has none of its own."""
    return f"{task}/{number}"


@dataclass(frozen=True, kw_only=True)
class TableDataset:
    """Questions that are rows of tables beside a folder of videos.

    `tables` yields each task with its rows. `parse` makes a question from (id, task, columns).
    `locate` adds the video (and clip, frames, subtitle); like `parse` it raises `BadEntry`, also
    for a bad column that only prompts need. `row_id` gets the task, the row's number within it
    from 0, and the columns.
    """

    layout: str  # where the folder holds the tables, for messages
    tables: Callable[[DatasetLocation], Iterable[tuple[str, list[Any]]]]
    parse: Callable[[str, str, Mapping[str, Any]], BenchmarkQuestion]
    locate: Callable[[BenchmarkQuestion, DatasetLocation], BenchmarkQuestion]
    row_id: Callable[[str, int, Mapping[str, Any]], str] = task_and_number

    def question(self, id: str, task: str, doc: Mapping[str, Any]) -> BenchmarkQuestion:
        """Return a question from its columns; raises BadEntry if one is missing or bad."""
        return self.parse(id, task, doc)

    def load(self, location: DatasetLocation) -> LoadedQuestions:
        """Return every question whose video exists, and name the others.

        Raises:
            DataError: If a table can't be read or there is none.
        """
        questions: dict[str, BenchmarkQuestion] = {}
        rejected: list[Rejected] = []
        for task, rows in self.tables(location):
            for number, row in enumerate(rows):
                id = f"{task}/{number}"
                try:
                    if not isinstance(row, Mapping):
                        raise BadEntry("not_an_object", f"expected columns, found {row!r:.100}")
                    id = self.row_id(task, number, row)
                    if id in questions:
                        raise BadEntry("duplicate_id", "expected each id once")
                    questions[id] = self.locate(self.parse(id, task, row), location)
                except BadEntry as error:
                    rejected.append(Rejected(id=id, reason=error.reason, detail=str(error)))
        if not questions and not rejected:
            raise DataError(f"expected questions in {location.where!r} ({self.layout}), found none")
        return LoadedQuestions(questions=tuple(questions.values()), rejected=tuple(rejected))

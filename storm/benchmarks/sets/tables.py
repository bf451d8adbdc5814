"""Data sets that are tables: Parquet or JSON in a folder, or a hub id through `datasets`."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from storm.benchmarks.benchmark import Benchmark, Loaded, Question, Source
from storm.errors import BackendMissing, DataError
from storm.records import Rejected
from storm.videos.questions.formats import BadEntry


def read_table(path: Path) -> list[Any]:
    """A file's rows; of a JSON object its pairs (key, value).

    Data alone is read, never code or pickles. Raises `DataError` if the file can't be read.
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
    """The rows of the files that match the first pattern with any; [] if none does.

    Raises `DataError` if a file can't be read.
    """
    for pattern in patterns:
        paths = sorted(folder.glob(pattern))
        if paths:
            return [row for path in paths for row in read_table(path)]
    return []


def read_hub(
    source: Source,
    known: Sequence[str],
    config: str | None,
    split: str,
    revision: str | None = None,
) -> list[dict[str, Any]]:
    """A split's rows from the hub's cache; only if it isn't there, from the hub.

    Raises `DataError` if neither has it.
    """
    if source.where.count("/") != 1:
        raise DataError(
            f"expected a folder or a hub id such as {', '.join(known)}: found {source.where!r}"
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
                source.where,
                config,
                split=split,
                revision=source.revision or revision,
                download_config=settings,
            )
        except Exception as error:  # each of its back ends has its own
            problems.append(f"{type(error).__name__}: {error}")
            continue
        return [dict(row) for row in table]
    found = problems[-1].split("\n")[0]
    raise DataError(f"expected the data set {source.where!r} in the hub's cache or hub: {found}")


class Tabular(Benchmark):
    """A benchmark whose questions are rows of a table beside a folder of videos."""

    layout: ClassVar[str]  # where its folder has the rows, for messages

    @abstractmethod
    def tables(self, source: Source) -> Iterator[tuple[str, list[Any]]]:
        """Each task with its rows; none for a task that is not there."""

    def id_of(self, task: str, number: int, row: Mapping[str, Any]) -> str:
        """A row's stable id; `number` counts a task's rows from 0."""
        return f"{task}/{number}"

    @abstractmethod
    def locate(self, question: Question, source: Source) -> Question:
        """The question with its video (and clip, frames, subtitle).

        Raises `BadEntry` with the reason `missing_video`, or if a column that prompts need is bad.
        """

    def load(self, source: Source) -> Loaded:
        questions: dict[str, Question] = {}
        refused: list[Rejected] = []
        for task, rows in self.tables(source):
            for number, row in enumerate(rows):
                id = f"{task}/{number}"
                try:
                    if not isinstance(row, Mapping):
                        raise BadEntry("not_an_object", f"expected columns, found {row!r:.100}")
                    id = self.id_of(task, number, row)
                    if id in questions:
                        raise BadEntry("duplicate_id", "expected each id once")
                    questions[id] = self.locate(self.question(id, task, row), source)
                except BadEntry as error:
                    refused.append(Rejected(id=id, reason=error.reason, detail=str(error)))
        if not questions and not refused:
            raise DataError(
                f"expected the questions of {self.name} in {source.where!r} ({self.layout}), "
                "found none"
            )
        expected = sum(self.sizes.values())
        return Loaded(
            questions=tuple(questions.values()), refused=tuple(refused), expected=expected
        )

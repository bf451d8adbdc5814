"""Rows of a data set: Parquet, JSON or JSON lines of a folder, or a hub id through `datasets`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storm.benchmarks.benchmark import Source
from storm.errors import BackendMissing, DataError


def read_table(path: Path) -> Any:
    """A file's value: a list of rows, or whatever a `.json` file holds.

    Data alone is read, never code or pickles. Raises `DataError` if the file can't be read.
    """
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path).to_pylist()
        text = path.read_text("utf-8-sig")
        if path.suffix == ".jsonl":
            return [json.loads(line) for line in text.split("\n") if line.strip()]
        return json.loads(text)
    except (OSError, ValueError, RecursionError) as error:  # pyarrow's are among these
        raise DataError(f"expected a table (Parquet, JSON, JSON lines): {path}: {error}") from None


def read_folder(folder: Path, patterns: Sequence[str]) -> list[Any] | None:
    """The values of the files that match the first pattern with any; None if none does."""
    for pattern in patterns:
        paths = sorted(folder.glob(pattern))
        if paths:
            return [read_table(path) for path in paths]
    return None


def read_hub(
    source: Source, known: Sequence[str], config: str | None, split: str, revision: str | None
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

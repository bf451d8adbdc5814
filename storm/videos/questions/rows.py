"""Question files as raw entries: a JSON list, JSON lines or CSV, with where each entry stands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm.errors import DataError
from storm.records import Rejected


class RepeatedKeys(dict[str, Any]):
    """An object of JSON that has some keys twice; it holds their last values."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return the object of its pairs, as a plain one if no key is there twice."""
        plain = dict(pairs)
        if len(plain) == len(pairs):
            return plain
        keys = [key for key, _ in pairs]
        twice = cls(plain)
        twice.repeated = tuple(key for key in plain if keys.count(key) > 1)
        return twice


def parse_json(text: str) -> Any:
    """Return the value of JSON, its fractions as they are written and NaN as None.

    Raises:
        ValueError, RecursionError: If it is no JSON.
    """
    return json.loads(
        text,
        object_pairs_hook=RepeatedKeys.of,
        parse_float=str,  # 0.50 would become 0.5
        parse_constant=lambda _: None,
    )


@dataclass(frozen=True)
class Entry:
    """One entry of a question file, as it was found."""

    where: str  # `entry 3` of a list, `line 7` of lines
    fields: dict[str, Any]


def read_entries(path: Path, form: str | None = None) -> list[Entry | Rejected]:
    """Every entry of the file; a line that can't be read is a `Rejected`.

    `form`: `json`, `jsonl` or `csv`; None: by the extension, else by the first character.
    Raises `DataError` if the file as a whole can't be read.
    """
    if not path.is_file():
        found = "something that is not a file" if path.exists() else "nothing"
        raise DataError(f"expected a question file (JSON, JSONL or CSV), found {found}: {path}")
    try:
        text = path.read_text("utf-8-sig")
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"expected a question file in UTF-8: {path}: {error}") from None
    if not text.strip():
        raise DataError(f"expected questions, found an empty file: {path}")
    form = form or _form_of(path, text)
    entries = list({"json": _from_json, "jsonl": _from_lines, "csv": _from_csv}[form](path, text))
    if not entries:
        raise DataError(f"expected at least one question, found none: {path}")
    return entries


def _form_of(path: Path, text: str) -> str:
    by_name = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(path.suffix.lower())
    by_content = {"[": "json", "{": "jsonl"}.get(text.lstrip()[0], "csv")
    return by_name or ("json" if path.suffix.lower() == ".json" else by_content)


def _from_json(path: Path, text: str) -> Iterator[Entry | Rejected]:
    try:
        whole = parse_json(text)
    except (ValueError, RecursionError) as error:
        if text.lstrip().startswith("{"):  # lines under the name .json
            yield from _from_lines(path, text)
            return
        raise DataError(f"expected JSON: {path}: {error}") from None
    if isinstance(whole, dict):
        whole = [whole]
    if not isinstance(whole, list):
        raise DataError(f"expected a list of questions, found a {type(whole).__name__}: {path}")
    for number, fields in enumerate(whole, 1):
        yield _entry(f"entry {number}", fields)


def _from_lines(path: Path, text: str) -> Iterator[Entry | Rejected]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield _entry(f"line {number}", parse_json(line))
        except (ValueError, RecursionError) as error:
            yield Rejected(id=f"line {number}", reason="bad_json", detail=f"line {number}: {error}")


def _from_csv(path: Path, text: str) -> Iterator[Entry | Rejected]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    start = 2
    limit = csv.field_size_limit(len(text) + 1)  # of one cell; 131,072 characters by default
    try:
        names = reader.fieldnames or ()
        if len(set(names)) < len(names):
            raise DataError(f"expected each column once, found {list(names)}: {path}")
        for row in reader:
            where, start = f"line {start}", reader.line_num + 1
            if None in row or None in row.values():
                count = len(reader.fieldnames or ())
                detail = f"{where}: expected {count} cells, found more or fewer"
                yield Rejected(id=where, reason="bad_row", detail=detail)
            else:
                yield Entry(where, dict(row))
    except csv.Error as error:
        raise DataError(f"expected CSV: {path}: line {reader.line_num}: {error}") from None
    finally:
        csv.field_size_limit(limit)


def _entry(where: str, fields: Any) -> Entry | Rejected:
    if isinstance(fields, RepeatedKeys):
        detail = f"{where}: expected each key once, found {', '.join(fields.repeated)} more often"
        return Rejected(id=where, reason="repeated_key", detail=detail)
    if isinstance(fields, dict):
        return Entry(where, fields)
    detail = f"{where}: expected an object, found {type(fields).__name__}"
    return Rejected(id=where, reason="not_an_object", detail=detail)

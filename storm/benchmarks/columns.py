"""Read a data set's columns strictly: a missing or bad one raises `BadEntry`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from storm.videos.questions.values import BadEntry


def text_of(doc: Mapping[str, Any], column: str, allow_empty: bool = False) -> str:
    """Return a column's text; numbers count as texts, since some files hold ids as such.

    Raises:
        BadEntry: If it is missing, no text, or empty where it may not be.
    """
    if column not in doc or doc[column] is None:
        raise BadEntry("missing_column", f"expected a column {column!r}, found {sorted(doc)}")
    value = doc[column]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not (value or allow_empty):
        raise BadEntry("bad_value", f"expected a text in {column!r}, found {value!r}")
    return value


def letter_of(doc: Mapping[str, Any], column: str, letters: str) -> str:
    """Return a column that holds one of the letters; raises BadEntry otherwise."""
    value = text_of(doc, column)
    if len(value) != 1 or value not in letters:
        raise BadEntry(
            "bad_value", f"expected one letter of {letters} in {column!r}, found {value!r}"
        )
    return value


def texts_of(doc: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """Return a column's list of texts; raises BadEntry as `text_of` does."""
    value = doc.get(column)
    if value is None:
        raise BadEntry("missing_column", f"expected a column {column!r}, found {sorted(doc)}")
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise BadEntry("bad_value", f"expected a list in {column!r}, found {value!r}")
    items = list(value)
    if not items or not all(isinstance(item, str) for item in items):
        raise BadEntry("bad_value", f"expected texts in {column!r}, found {items!r}")
    return tuple(items)


def label_of(doc: Mapping[str, Any], column: str) -> str:
    """Return the text of a column that no score depends on, or `unknown`."""
    value = doc.get(column)
    return value if isinstance(value, str) and value else "unknown"


def path_inside(root: Path, *parts: str) -> Path:
    """Return a path under `root`; raises BadEntry if the parts lead out of it."""
    path = root.joinpath(*parts)
    if os.path.isabs(os.path.join(*parts)) or ".." in Path(*parts).parts or "\0" in str(path):
        raise BadEntry("path_leaves_root", f"expected a path under {root}, found {parts}")
    return path


def first_existing(candidates: Iterable[Path], what: str) -> Path:
    """Return the first path that exists; raises BadEntry (`missing_video`) if none does."""
    tried = list(candidates)
    for path in tried:
        if path.exists():
            return path
    places = ", ".join(str(path) for path in tried)
    raise BadEntry("missing_video", f"expected {what} at {places}: found none")

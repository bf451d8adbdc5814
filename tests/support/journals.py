"""Journals as tests look at them."""

from __future__ import annotations

from pathlib import Path

from storm.artifacts.journal import Entry, read_entries, scan


def replay(path: Path, row_type: type, *, repair: bool = True) -> dict[str, Entry]:
    """Item id -> its last entry."""
    places = scan(path, repair=repair)
    return dict(zip(places, read_entries(path, row_type, places.values()), strict=True))

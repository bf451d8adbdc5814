"""A journal that was cut or damaged anywhere gives back a prefix of what was written."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from journals import replay

from storm.artifacts.journal import Entry, Journal, rewrite
from storm.records import LatentTarget, Rejected
from storm.row_values import digest_of


def entry(number: int) -> Entry:
    item_id = f"é{number}"
    if number % 3 == 1:
        return Entry(item_id, f"key{number}", Rejected(id=item_id, reason="ugly", detail="no"))
    latents = np.full((2, 2), number, np.float32)
    return Entry(item_id, f"key{number}", LatentTarget(id=item_id, latents=latents))


def written(path: Path, numbers: range) -> list[int]:
    """Sizes of the journal after each entry."""
    sizes = []
    with Journal(path) as journal:
        for number in numbers:
            journal.write(entry(number))
            sizes.append(path.stat().st_size)
    return sizes


def same(one: Entry, other: Entry) -> bool:
    outcomes = digest_of(one.outcome) == digest_of(other.outcome)
    return outcomes and (one.id, one.key) == (other.id, other.key)


def assert_prefix(found: dict[str, Entry], count: int) -> None:
    assert list(found) == [entry(n).id for n in range(count)]
    assert all(same(e, entry(n)) for n, e in enumerate(found.values()))


def test_every_cut_of_the_last_records_leaves_a_prefix(tmp_path: Path) -> None:
    whole = tmp_path / "whole.journal"
    sizes = written(whole, range(4))
    data = whole.read_bytes()
    path = tmp_path / "cut.journal"
    for cut in range(sizes[1], sizes[3] + 1):
        path.write_bytes(data[:cut])
        complete = sum(size <= cut for size in sizes)

        found = replay(path, LatentTarget, repair=False)
        assert_prefix(found, complete)
        assert path.read_bytes() == data[:cut], "repair=False leaves the file alone"

        assert_prefix(replay(path, LatentTarget), complete)
        assert path.stat().st_size == sizes[complete - 1], "the torn tail is cut off"

    path.write_bytes(data[: sizes[2] + 7])
    replay(path, LatentTarget)
    written(path, range(3, 5))  # goes on after a repair
    assert_prefix(replay(path, LatentTarget), 5)


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_a_wrong_row(
    tmp_path_factory: pytest.TempPathFactory, at: float, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flip") / "x.journal"
    sizes = written(path, range(4))
    data = bytearray(path.read_bytes())
    where = int(at * len(data))
    data[where] ^= 1 << bit
    path.write_bytes(data)

    hit = sum(size <= where for size in sizes)
    assert_prefix(replay(path, LatentTarget), hit)


def test_garbage_and_absence_are_an_empty_journal(tmp_path: Path) -> None:
    assert replay(tmp_path / "none.journal", LatentTarget) == {}
    for garbage in (b"", b"SJ01", b"\0" * 100, os.urandom(1000)):
        path = tmp_path / "garbage.journal"
        path.write_bytes(garbage)
        assert replay(path, LatentTarget) == {}
        assert path.stat().st_size == 0


def test_the_last_entry_of_an_item_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    first, second = entry(0), Entry(entry(0).id, "later", entry(0).outcome)
    with Journal(path) as journal:
        journal.write(first)
        journal.write(second)
    assert replay(path, LatentTarget)[first.id].key == "later"


def test_keep_rewrites_a_journal_without_what_is_not_wanted(tmp_path: Path) -> None:
    path = tmp_path / "x.journal"
    written(path, range(5))
    kept = rewrite(path, LatentTarget, lambda e: not e.rejected)
    assert list(kept) == [entry(n).id for n in (0, 2, 3)]
    assert list(replay(path, LatentTarget)) == list(kept)
    assert os.listdir(tmp_path) == ["x.journal"]


def test_a_record_without_room_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unbuffered write may write less than it was given, and say so only by its result."""

    class Full:
        """Takes all but the last byte."""

        name = "full.journal"

        def __init__(self, file: io.FileIO):
            self.fileno, self.close = file.fileno, file.close

        def write(self, data: bytes) -> int:
            return len(data) - 1

    with Journal(tmp_path / "x.journal") as journal:
        monkeypatch.setattr(journal, "_file", Full(journal._file))
        with pytest.raises(OSError, match="No space left"):
            journal.write(entry(0))

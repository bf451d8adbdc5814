"""The memory of digests: one connection for all files of a thread, and none across a fork."""

from __future__ import annotations

import sqlite3
import threading
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from storm.artifacts.fs import sha256_file
from storm.artifacts.hash_cache import cached_sha256


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The threads that opened a memory of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connect, opened = sqlite3.connect, []

    def counted(*arguments: object, **named: object) -> sqlite3.Connection:
        opened.append(threading.get_ident())
        return connect(*arguments, **named)  # pyright: ignore

    monkeypatch.setattr(sqlite3, "connect", counted)
    return opened


def files(folder: Path) -> list[Path]:
    paths = [folder / str(n) for n in range(5)]
    for path in paths:
        path.write_text(path.name)
    return paths


def test_one_connection_serves_all_files_of_a_thread(tmp_path: Path, opened: list[int]) -> None:
    paths = files(tmp_path)
    for path in [*paths, *paths]:
        assert cached_sha256(path) == sha256_file(path)
    assert len(opened) == 1
    paths[0].write_text("another")
    assert cached_sha256(paths[0]) == sha256_file(paths[0])


def test_threads_and_forks_have_their_own(tmp_path: Path, opened: list[int]) -> None:
    paths = files(tmp_path)
    wanted = [sha256_file(path) for path in paths]
    assert list(map(cached_sha256, paths)) == wanted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as forks:
            assert list(forks.map(cached_sha256, paths)) == wanted
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.extend(map(cached_sha256, paths)))
    thread.start()
    thread.join()
    assert found == wanted
    assert len(opened) == len(set(opened)) == 2

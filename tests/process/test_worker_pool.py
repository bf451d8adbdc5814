"""A pool of worker processes: a bad call costs only its own result."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pool_calls
import pytest

from storm.errors import ChildFailed, DataError
from storm.process.worker_pool import WorkerPool


def outcome(pool: WorkerPool[str, str], item: str) -> str:
    try:
        return pool.submit(item).result()
    except (ChildFailed, DataError) as error:
        return getattr(error, "reason", "data")


@pytest.mark.integration
def test_a_call_that_dies_hangs_or_fails_loses_only_itself() -> None:
    with WorkerPool[str, str](pool_calls.act, workers=2, timeout_seconds=2) as pool:
        items = ["fine", "die", "fine", "complain", "hang", "raise", "fine"]
        outcomes = [outcome(pool, item) for item in items]
    assert outcomes == ["fine", "signal_11", "fine", "data", "timeout", "exit_1", "fine"]


def test_memory_is_bounded() -> None:
    with WorkerPool[str, str](pool_calls.act, timeout_seconds=30, memory_bytes=2 << 30) as pool:
        assert outcome(pool, "grow") == "exit_1"
        assert outcome(pool, "fine") == "fine"


def test_leaving_early_ends_the_processes_at_once() -> None:
    before = threading.active_count()
    with WorkerPool[str, str](pool_calls.act, timeout_seconds=60) as pool:
        hanging = pool.submit("hang")
        waiting = pool.submit("fine")
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert isinstance(hanging.exception(), ChildFailed)
    assert waiting.cancelled()
    assert threading.active_count() == before


@pytest.mark.integration
def test_the_owners_death_ends_a_hanging_worker(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import pool_calls\n"
        "from storm.process.worker_pool import WorkerPool\n"
        "pool = WorkerPool(pool_calls.note_pid_and_hang, timeout_seconds=60)\n"
        f"pool.submit({str(pid_file)!r}).result()\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 60
    while not (pid_file.is_file() and pid_file.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    worker = int(pid_file.read_text())
    owner.kill()
    owner.wait()
    while Path(f"/proc/{worker}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)

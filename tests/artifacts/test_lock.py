"""One holder at a time; the error names it, and its death releases the lock."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_stages import Clips

from storm.artifacts.artifact import Artifact
from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import StoreError, WorkspaceBusy
from storm.runtime import Runtime

HOLD = """
import sys, time
from storm.artifacts.artifact import Artifact
from pathlib import Path
with Artifact(Path(sys.argv[1]), "videos", "f").lock("shard-00000"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_told_who_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storm.artifacts.lock.GRACE_SECONDS", 0.3)
    artifact = Artifact(tmp_path, "videos", "f")
    with hold(tmp_path) as holder:
        try:
            with pytest.raises(WorkspaceBusy) as caught, artifact.lock("shard-00000"):
                pass
            with artifact.lock("shard-00001"):
                pass
            with pytest.raises(WorkspaceBusy):
                artifact.remove()
            assert tmp_path.exists()
        finally:
            holder.kill()
    text = str(caught.value)
    assert f"pid {holder.pid} on {socket.gethostname()} since {time.strftime('%Y-%m')}" in text
    assert caught.value.exit_code == 75


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path, "videos", "f")
    with hold(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
    with artifact.lock("shard-00000"):
        assert f"pid {os.getpid()} " in (tmp_path / "shard-00000.lock").read_text()


def test_waiting_gets_the_lock_of_a_removed_folder(tmp_path: Path) -> None:
    """Whoever waits on a lock file that is removed must not share the lock with a newcomer."""
    artifact = Artifact(tmp_path / "x", "videos", "f")
    with artifact.lock("plan"):
        shutil.rmtree(artifact.path)
        with artifact.lock("plan") as newcomer:
            assert os.fstat(newcomer).st_ino == (artifact.path / "plan.lock").stat().st_ino


def test_a_file_system_without_locks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match=r"flock.*No locks available"):
        execute(Clips(ids=("a",)), Store(tmp_path), Runtime())

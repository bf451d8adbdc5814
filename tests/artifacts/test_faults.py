"""What a run survives: kill -9 of its driver anywhere, two at once, no room, no permission."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from journals import replay
from toy_helpers import (
    IDS,
    RUNTIME,
    alive,
    assert_sound,
    data_of,
    make_without_sealing,
    wait_for,
    worked_on,
)
from toy_stages import Clips, chain

from storm.artifacts.make import execute, seal
from storm.artifacts.store import Store
from storm.records import Rejected, ThoughtVideo


def start(store: Store, **arguments: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "toy_driver", str(store.root), json.dumps(arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(driver: subprocess.Popen[str]) -> tuple[int, str]:
    _, errors = driver.communicate(timeout=120)
    return driver.returncode, errors


@pytest.mark.integration
def test_one_driver_at_a_time_and_no_orphans(store: Store, diary: Path) -> None:
    arguments = {"ids": IDS, "diary": str(diary)}
    first = start(store, **arguments, trouble={"05": "hang"})
    wait_for(lambda: " 05\n" in diary.read_text())
    child = int(diary.read_text().split()[0])

    code, errors = finish(start(store, **arguments))
    assert code == 75
    assert f"is being made by pid {first.pid} on " in errors
    assert "Traceback" not in errors
    assert alive(child)

    first.kill()
    finish(first)
    wait_for(lambda: not alive(child), seconds=3)
    worked_on(diary)
    assert finish(start(store, **arguments)) == (0, "")
    assert worked_on(diary) == list(IDS[5:])
    assert_sound(store, chain(IDS), set(IDS))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_driver_killed_at_random_moments(store: Store, diary: Path, seed: int) -> None:
    moments = np.random.default_rng(seed)
    arguments = {"ids": IDS, "shards": 2, "seconds": 0.05, "diary": str(diary)}
    stage = chain(IDS, shards=2)
    kills = 0
    while True:
        driver = start(store, **arguments)
        try:
            moment = moments.uniform(0.3, 5 + kills)  # a busy machine needs longer to start
            errors = driver.communicate(timeout=moment)[1]
            assert (driver.returncode, errors) == (0, "")
            break
        except subprocess.TimeoutExpired:
            driver.kill()
            finish(driver)
            kills += 1
        assert kills < 20
    children = {int(line.split()[0]) for line in diary.read_text().splitlines()}
    assert not [pid for pid in children if alive(pid)]
    for made in (stage.clips, stage):
        assert_sound(store, made, set(IDS))
    assert len(worked_on(diary)) <= len(IDS) + kills, "work done again is what was in flight"

    alone = Store(store.root.with_name("alone"))
    execute(stage, alone, RUNTIME)
    assert data_of(store, stage) == data_of(alone, stage)
    assert data_of(store, stage.clips) == data_of(alone, stage.clips)


@pytest.fixture(scope="module")
def unsealed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Clips]:
    """All items made, nothing sealed."""
    store, stage = Store(tmp_path_factory.mktemp("unsealed")), Clips(ids=IDS, size=200, shards=2)
    make_without_sealing(stage, store)
    return store, stage


def in_a_fork(body: Callable[[], None]) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork
        pid = os.fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.integration
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", ["replace", "fsync", "unlink"])
def test_sealing_killed_at_every_step(
    unsealed: tuple[Store, Clips], tmp_path: Path, call: str, after: bool
) -> None:
    """Killed before or after each rename, sync and removal that sealing does."""
    source, stage = unsealed
    real = {"replace": os.replace, "fsync": os.fsync, "unlink": os.unlink}[call]
    for step in range(100):
        store = Store(tmp_path / str(step))
        shutil.copytree(source.root, store.root)
        left = step

        def fatal(*arguments: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0 and not after:
                os._exit(137)
            real(*arguments)
            if left < 0:
                os._exit(137)

        def body(store: Store = store, fatal: Any = fatal) -> None:
            setattr(os, call, fatal)
            seal(stage, store)

        code = in_a_fork(body)
        assert code in (0, 137)
        execute(stage, store, RUNTIME)
        assert_sound(store, stage, set(IDS))
        if step == 0:
            whole = data_of(store, stage)
        assert data_of(store, stage) == whole
        if code == 0:
            assert step >= 2, "the fault was never injected"
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("limit_bytes", [0, 1500, 2500])
def test_sealing_without_room(
    unsealed: tuple[Store, Clips], tmp_path: Path, limit_bytes: int
) -> None:
    source, stage = unsealed
    store = Store(tmp_path / "root")
    shutil.copytree(source.root, store.root)

    def body() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
        seal(stage, store)

    assert in_a_fork(body) == 1
    assert not stage.artifact(store).has_manifest()
    execute(stage, store, RUNTIME)
    assert_sound(store, stage, set(IDS))


@pytest.mark.integration
def test_a_full_disk_quarantines_nothing(store: Store, diary: Path) -> None:
    """RLIMIT_FSIZE stops the journal of the child after some items."""
    arguments = {"ids": IDS, "size": 10, "diary": str(diary)}
    stage = chain(IDS, size=10)
    command = f"ulimit -f 8; exec {sys.executable} -m toy_driver {store.root} "
    shell = [*("bash", "-c", command + '"$0"'), json.dumps(arguments)]
    found = subprocess.run(shell, capture_output=True, text=True)
    assert found.returncode == 1
    assert "File too large" in found.stderr or "No space left" in found.stderr
    assert "Traceback" not in found.stderr
    assert not stage.clips.artifact(store).has_manifest()
    (journal,) = stage.clips.artifact(store).path.glob("*.journal")
    done = replay(journal, ThoughtVideo, repair=False)
    assert 0 < len(done) < len(IDS)
    assert not any(isinstance(e.outcome, Rejected) for e in done.values())

    worked_on(diary)
    assert finish(start(store, **arguments)) == (0, "")
    assert worked_on(diary) == list(IDS[len(done) :])
    alone = Store(store.root.with_name("alone"))
    execute(stage, alone, RUNTIME)
    assert data_of(store, stage) == data_of(alone, stage)


def test_a_read_only_root_is_an_error(store: Store) -> None:
    store.root.mkdir()
    run = f"exec {sys.executable} -m toy_driver {store.root} '{json.dumps({'ids': IDS})}'"
    mount = f"mount --bind {store.root} {store.root} && mount -o remount,ro,bind {store.root}"
    if subprocess.run(["unshare", "-rm", "sh", "-c", mount], capture_output=True).returncode:
        pytest.skip("needs user namespaces to mount a read-only folder")
    found = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f"{mount} && {run}"], capture_output=True, text=True
    )
    assert found.returncode == 1
    assert "Read-only file system" in found.stderr
    assert list(store.root.iterdir()) == []

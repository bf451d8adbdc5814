"""Children serve one call after another, within limits, and are replaced when they fail."""

from __future__ import annotations

import fcntl
import functools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from storm.errors import ChildFailed, StageFailed
from storm.process.child import Call, Event
from storm.process.children import Children, stop_all_children
from tests.support import toy_children
from tests.support.toy_helpers import wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as children:
        yield children


@pytest.fixture
def run(children: Children, tmp_path: Path) -> Any:
    def run(function: Any, *args: Any, slot: int = 0, **options: Any) -> list[Event]:
        events: list[Event] = []
        environment = options.pop("environment", None)
        options = {"log": tmp_path / "log", "on_event": events.append, **options}
        call = Call(function=function, args=args, **options)
        children.run(call, slot=slot, environment=environment)
        return events

    return run


def is_running(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_child_serves_the_next_call_of_its_slot(run: Any, tmp_path: Path) -> None:
    (first,), (second,), (other,) = (
        run(toy_children.report, log=tmp_path / "a"),
        run(toy_children.report, log=tmp_path / "b"),
        run(toy_children.report, slot=1),
    )
    assert first["pid"] == second["pid"] == first["group"], "one process, its own group"
    assert other["pid"] != first["pid"]
    for name in "ab":
        assert (tmp_path / name).read_text() == f"printed by {first['pid']}\n"


def test_a_child_in_another_environment_is_another_child(run: Any) -> None:
    pids = {}
    for gpu in ("0", "0", "1"):
        (event,) = run(toy_children.report, environment={"GPU": gpu})
        assert event["gpu"] == gpu
        pids.setdefault(gpu, set()).add(event["pid"])
    assert len(pids["0"]) == 1
    assert pids["0"].isdisjoint(pids["1"])
    assert not is_running(*pids["0"]), "the slot has one child at a time"


def test_what_is_loaded_stays_for_the_next_call(run: Any) -> None:
    loads = [run(toy_children.load, name)[0]["all"] for name in ("m", "m", "n", "m")]
    assert loads == [1, 1, 2, 3], "one object is kept"
    assert run(toy_children.load_after_release, "m")[0]["all"] == 4


@pytest.mark.parametrize(
    ("function", "args", "error", "words"),
    [
        (toy_children.refuse, (), StageFailed, "DataError: expected something else"),
        (toy_children.end, (3,), ChildFailed, "exit_3"),
        (toy_children.hold, (1, 60), ChildFailed, "timeout"),
    ],
)
def test_after_a_failure_the_next_call_gets_a_new_child(
    run: Any, function: Any, args: tuple[Any, ...], error: Any, words: str
) -> None:
    (before,) = run(toy_children.report)
    with pytest.raises(error, match=words):
        run(function, *args, stall_seconds=1)
    (after,) = run(toy_children.report)
    assert after["pid"] != before["pid"]
    assert not is_running(before["pid"])


def test_the_last_line_that_a_child_printed_is_in_its_error(run: Any) -> None:
    with pytest.raises(ChildFailed, match="the last words"):
        run(toy_children.end, 3)


def test_a_child_that_leaves_processes_behind_is_replaced(run: Any) -> None:
    (event,) = run(toy_children.leave_a_process)
    assert not is_running(event["pid"])
    wait_for(lambda: not is_running(event["left"]))


def test_a_child_may_hold_what_it_was_granted(run: Any) -> None:
    assert run(toy_children.hold, 50, 0.6, memory_gb=2) == [{"held": 50 * 2**20}]


def test_a_child_that_holds_more_is_killed_for_memory(run: Any) -> None:
    with pytest.raises(ChildFailed, match=r"at most 0\.2 GB") as caught:
        run(toy_children.hold, 400, 60, memory_gb=0.2)
    assert caught.value.reason == "memory"


def test_a_lock_lasts_as_long_as_the_call(run: Any, tmp_path: Path) -> None:
    """The child holds it too, so that it outlives an owner that is killed."""
    path, go = tmp_path / "lock", tmp_path / "go"

    def is_free() -> bool:
        with open(path, "ab") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    with open(path, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        begun = threading.Event()
        options = {"keep_fds": (lock.fileno(),), "on_event": lambda event: begun.set()}
        call = functools.partial(run, toy_children.wait_for_file, str(go), **options)
        thread = threading.Thread(target=call)
        thread.start()
        assert begun.wait(30)
    assert not is_free(), "this process has closed it"
    go.touch()
    thread.join(30)
    assert is_free()


def test_another_run_goes_on_when_one_is_stopped(run: Any, tmp_path: Path) -> None:
    (before,) = run(toy_children.report)
    with Children() as other:
        call = Call(function=toy_children.report, args=(), on_event=print, log=tmp_path / "other")
        other.run(call)
    assert run(toy_children.report) == [before]


def test_stopping_ends_busy_and_idle_children(children: Children, run: Any, tmp_path: Path) -> None:
    (idle,) = run(toy_children.report, slot=1)
    errors: list[str] = []
    pids: list[int] = []
    begun = threading.Event()

    def note(event: Event) -> None:
        pids.append(event["pid"])
        begun.set()

    def wait() -> None:
        never = str(tmp_path / "never")
        call = Call(
            function=toy_children.wait_for_file, args=(never,), on_event=note, log=tmp_path / "w"
        )
        try:
            children.run(call)
        except StageFailed as error:
            errors.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    assert begun.wait(30)
    stop_all_children()
    thread.join(30)
    assert errors == ["stopped"]
    assert not any(map(is_running, [*pids, idle["pid"]]))
    with pytest.raises(StageFailed, match="stopped"):
        run(toy_children.report)

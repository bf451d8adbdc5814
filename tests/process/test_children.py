"""Groups of child processes stop together, with everything the children have started."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from toy_helpers import alive, wait_for

from storm.errors import StageFailed
from storm.process.children import ChildGroup, kill_group, stop_all_children


@contextmanager
def sleeping() -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Yield a child that leads its own process group, and the pid of its child."""
    child = subprocess.Popen(
        ["sh", "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    try:
        yield child, grandchild
    finally:
        kill_group(child)
        child.communicate()


def test_stopping_kills_children_and_theirs() -> None:
    group, other = ChildGroup(), ChildGroup()
    with sleeping() as (child, grandchild), sleeping() as (kept, _):
        group.add(child)
        other.add(kept)
        group.stop()
        assert child.wait(10) == -signal.SIGKILL
        wait_for(lambda: not alive(grandchild))
        assert kept.poll() is None, "another group goes on"
        stop_all_children()
        assert kept.wait(10) == -signal.SIGKILL


def test_a_stopped_group_starts_no_child() -> None:
    group = ChildGroup()
    group.require_running()
    group.stop()
    with pytest.raises(StageFailed, match="stopped"):
        group.require_running()
    with sleeping() as (late, _):
        group.add(late)  # it was started meanwhile
        assert late.wait(10) == -signal.SIGKILL


def test_an_ended_child_is_left_alone() -> None:
    group = ChildGroup()
    with sleeping() as (child, _):
        group.add(child)
        group.discard(child)
        group.stop()
        assert child.poll() is None
    kill_group(child)  # its process group is gone

"""A child that asks too much of the machine is ended, with the reason."""

from pathlib import Path

import pytest

from storm.errors import ChildFailed
from storm.process.run_child import Event, run_child
from tests.support.toy_children import hold


@pytest.mark.integration
def test_a_child_may_hold_what_it_was_granted(tmp_path: Path):
    events: list[Event] = []
    run_child(hold, (50, 0.6), on_event=events.append, log=tmp_path / "log", memory_gb=2)
    assert events == [{"held": 50 * 2**20}]


@pytest.mark.integration
def test_a_child_that_holds_more_is_killed_for_memory(tmp_path: Path):
    events: list[Event] = []
    with pytest.raises(ChildFailed, match=r"at most 0\.2 GB") as caught:
        run_child(hold, (400, 60), on_event=events.append, log=tmp_path / "log", memory_gb=0.2)
    assert caught.value.reason == "memory"
    assert events == []

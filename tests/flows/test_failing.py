"""A stage that fails says why once, and what of it waits is not started."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from toy_helpers import IDS, RUNTIME, worked_on
from toy_stages import Clips

from flows.console import Console
from flows.make import Maker
from flows.run import distinct
from storm.artifacts.plan import plan
from storm.artifacts.store import Store
from storm.errors import StageFailed
from storm.process.children import Children


@pytest.fixture
def children() -> Iterator[Children]:
    with Children() as children:
        yield children


def test_what_waits_is_not_started_once_a_shard_failed(
    store: Store, diary: Path, children: Children
) -> None:
    trouble = dict.fromkeys(IDS, "fail")
    failing = Clips(ids=IDS, trouble=trouble, diary=str(diary), shards=3)
    maker = Maker(store, RUNTIME, children, Console())
    plan(failing, store)
    with pytest.raises(StageFailed, match="found water; buy milk"):
        maker._shard(failing, 0, 0)
    assert worked_on(diary) == [plan(failing, store).shard(0)[0].id]
    state = maker._shard(failing, 1, 0)
    assert state is not None
    assert state.name == "NotStarted"
    assert worked_on(diary) == []
    other = Clips(ids=IDS, size=1, diary=str(diary))
    plan(other, store)
    assert maker._shard(other, 0, 1) is None, "another stage goes on"


def test_shards_that_fail_of_one_cause_say_it_once(store: Store, children: Children) -> None:
    failing = Clips(ids=IDS, trouble=dict.fromkeys(IDS, "fail"), shards=2)
    plan(failing, store)
    causes: list[object] = ["crashed"]
    for number in range(2):
        with pytest.raises(StageFailed) as caught:
            Maker(store, RUNTIME, children, Console())._shard(failing, number, 0)
        causes.append(caught.value)
    assert len(set(map(str, causes))) == 3, "they name different logs"
    crashed, line = distinct(causes).splitlines()
    assert crashed == "crashed"
    assert line.startswith("DataError: expected milk, found water; buy milk (see ")

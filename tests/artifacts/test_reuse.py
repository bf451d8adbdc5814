"""Rows and blobs of other artifacts are reused if recipe and key are the same."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from toy_helpers import (
    IDS,
    RUNTIME,
    assert_sound,
    data_of,
    make_without_sealing,
    worked_on,
)
from toy_stages import Clips, Vectors, chain

from storm.artifacts.fs import write_json
from storm.artifacts.make import execute
from storm.artifacts.plan import plan
from storm.artifacts.reuse import reuse_rows
from storm.artifacts.store import Store
from storm.errors import StageFailed

pytestmark = pytest.mark.integration


def test_reuse_after_adding_items_makes_only_the_new_ones(
    sealed: Store, store: Store, diary: Path
) -> None:
    shutil.copytree(sealed.root, store.root)
    more = chain([*IDS[2:], "x", "y"], diary=str(diary), shards=2)
    execute(more, store, RUNTIME)
    assert sorted(worked_on(diary)) == ["x", "y"]
    for stage in (more.clips, more):
        assert_sound(store, stage, {*IDS[2:], "x", "y"})

    alone = Store(store.root.with_name("alone"))
    execute(more, alone, RUNTIME)
    assert data_of(store, more) == data_of(alone, more), "reused or made: the same bytes"
    assert data_of(store, more.clips) == data_of(alone, more.clips)


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK])
def test_a_blob_that_cannot_be_linked_is_copied(
    store: Store, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    stage = Clips(ids=("a",), size=20)
    source = execute(stage, store, RUNTIME)
    more = Clips(ids=("a", "b"), size=20)
    target = more.artifact(store)
    wanted = {item.id: item for item in plan(more, store).items}

    def refuse(link: Path, path: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (entry,) = reuse_rows(more, store, target, wanted)
    assert list(wanted) == ["b"]
    copy, blob = target.path / entry.outcome.blob, source.path / entry.outcome.blob
    assert copy.read_bytes() == blob.read_bytes()
    assert copy.stat().st_ino != blob.stat().st_ino


def test_rows_of_an_unfinished_artifact_are_reused(store: Store, diary: Path) -> None:
    failing = Clips(ids=IDS, trouble={"08": "fail"}, diary=str(diary))
    with pytest.raises(StageFailed):
        execute(failing, store, RUNTIME)
    worked_on(diary)
    more = Clips(ids=(*IDS, "x"), diary=str(diary))
    execute(more, store, RUNTIME)
    assert worked_on(diary) == [*IDS[8:], "x"]


def test_a_blob_lost_before_sealing_is_made_again(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, diary=str(diary))
    make_without_sealing(stage, store)
    worked_on(diary)
    lost, cut = sorted(stage.artifact(store).path.glob("blobs/*/*"))[:2]
    lost.unlink()
    cut.write_bytes(b"")
    execute(stage, store, RUNTIME)
    assert len(worked_on(diary)) == 2
    assert_sound(store, stage, set(IDS))


def test_reuse_ignores_another_recipe(store: Store, diary: Path) -> None:
    execute(Clips(ids=IDS[:3], size=5), store, RUNTIME)
    other = Vectors(clips=Clips(ids=IDS[:3], size=20, diary=str(diary)))
    execute(other, store, RUNTIME)
    assert worked_on(diary) == list(IDS[:3])
    write_json(store.root / "toy_clips" / "stray" / "plan.json", {"recipe": "x"})
    execute(Clips(ids=IDS[:4], size=20, diary=str(diary)), store, RUNTIME)
    assert worked_on(diary) == [IDS[3]]

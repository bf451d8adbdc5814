"""Damaged files are found and deleted; the next run makes only those again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from toy_helpers import IDS, RUNTIME, assert_sound, data_of, worked_on
from toy_stages import Whole, chain

from storm.artifacts.make import execute
from storm.artifacts.plan import plan
from storm.artifacts.store import Store
from storm.artifacts.verify import damaged_files, repair

pytestmark = pytest.mark.integration


def flip_a_byte(path: Path) -> None:
    """Flip one byte of a file and keep its time."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("fault", ["shard missing", "shard flipped", "blob missing", "blob cut"])
def test_only_damaged_items_are_made_again(
    sealed: Store, store: Store, diary: Path, fault: str
) -> None:
    shutil.copytree(sealed.root, store.root)
    stage = chain(IDS, diary=str(diary), shards=3)
    whole = data_of(store, stage.clips)
    folder = stage.clips.artifact(store).path
    below = os.stat(stage.artifact(store).path / "manifest.json").st_mtime_ns

    path = folder / "shard-00001.arrow" if "shard" in fault else next(folder.glob("blobs/*/*"))
    name = path.relative_to(folder).as_posix()
    item = [r.id for r in stage.clips.rows(store) if r.blob == name]
    expected = item or [i.id for i in plan(stage.clips, store).shard(1)]
    if "missing" in fault:
        path.unlink()
    else:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data if "flipped" in fault else data[:-1])

    execute(stage.clips, store, RUNTIME)
    assert 0 < len(expected) < len(IDS)
    assert sorted(worked_on(diary)) == sorted(expected), "only the damaged shard is made again"
    assert_sound(store, stage.clips, set(IDS))
    assert data_of(store, stage.clips) == whole
    assert stage.artifact(store).is_sealed(), "what was made from it stays"
    assert os.stat(stage.artifact(store).path / "manifest.json").st_mtime_ns == below


@pytest.mark.parametrize("fault", ["shard", "blob", "manifest.json", "plan.json", "files.json"])
def test_a_flipped_byte_is_named_and_repaired(
    sealed: Store, store: Store, diary: Path, fault: str
) -> None:
    shutil.copytree(sealed.root, store.root)
    stage = chain(IDS, diary=str(diary), shards=3)
    artifact = stage.clips.artifact(store)
    whole, content = data_of(store, stage.clips), artifact.rows_digest()
    below = os.stat(stage.artifact(store).path / "manifest.json").st_mtime_ns
    expected = {
        "shard": [item.id for item in plan(stage.clips, store).shard(1)],
        "blob": [min(IDS)],
        "files.json": list(IDS),
    }.get(fault, [])
    path = {
        "shard": artifact.path / "shard-00001.arrow",
        "blob": artifact.blob_path(min(IDS), ".bin"),
    }.get(fault, artifact.path / fault)
    if fault.endswith(".json"):
        path.write_bytes(b"{" * 50)
    else:
        flip_a_byte(path)
    name = path.relative_to(artifact.path).as_posix()
    assert damaged_files(artifact) == [name]
    assert repair(artifact) == [name]
    assert repair(stage.artifact(store)) == []
    execute(stage.clips, store, RUNTIME)
    assert sorted(worked_on(diary)) == sorted(expected), "only what was damaged is made again"
    assert_sound(store, stage.clips, set(IDS))
    assert (data_of(store, stage.clips), artifact.rows_digest()) == (whole, content)
    assert os.stat(stage.artifact(store).path / "manifest.json").st_mtime_ns == below


@pytest.mark.parametrize("also", ["", "manifest.json", "plan.json"])
def test_a_flipped_byte_of_a_checkpoint_is_never_reused(
    store: Store, diary: Path, also: str
) -> None:
    stage = Whole(ids=("checkpoint",), diary=str(diary))
    artifact = execute(stage, store, RUNTIME)
    flip_a_byte(artifact.blob_path("checkpoint", ".bin"))
    if also:
        (artifact.path / also).write_bytes(b"")
    assert len(repair(artifact)) == (2 if also else 1)
    execute(stage, store, RUNTIME)
    assert not list(artifact.path.glob("*.tmp-*"))
    assert worked_on(diary) == ["checkpoint"] * 2
    assert_sound(store, stage, {"checkpoint"})


def test_damage_to_a_stage_and_to_its_input(sealed: Store, store: Store) -> None:
    shutil.copytree(sealed.root, store.root)
    stage = chain(IDS, shards=3)
    whole = data_of(store, stage)
    for broken in (stage, stage.clips):
        next(broken.artifact(store).path.glob("shard-*.arrow")).unlink()
    execute(stage, store, RUNTIME)
    assert_sound(store, stage, set(IDS))
    assert_sound(store, stage.clips, set(IDS))
    assert data_of(store, stage) == whole


def test_damage_to_a_single_item_stage_makes_it_again(store: Store, diary: Path) -> None:
    stage = Whole(ids=("checkpoint",), diary=str(diary))
    execute(stage, store, RUNTIME)
    (path,) = stage.artifact(store).path.glob("blobs/*/*")
    path.write_bytes(path.read_bytes()[:-1])
    execute(stage, store, RUNTIME)
    assert worked_on(diary) == ["checkpoint"] * 2
    assert_sound(store, stage, {"checkpoint"})

"""Making a stage with real children: what goes wrong with an item, and what is made again."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from journals import replay
from toy_helpers import (
    IDS,
    RUNTIME,
    assert_sound,
    data_of,
    make_without_sealing,
    wait_for,
    worked_on,
)
from toy_stages import Clips, Refusing, Vectors, Whole, chain

from storm.artifacts.fs import write_json
from storm.artifacts.make import execute, make_shard, plan
from storm.artifacts.reuse import reuse_rows
from storm.artifacts.store import Store
from storm.artifacts.verify import damaged_files, repair
from storm.errors import DataError, StageFailed
from storm.process.children import stop_all_children
from storm.records import ThoughtVideo
from storm.runtime import Runtime

# what a child may do


def test_a_killed_child_is_tried_again(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, trouble={"07": "kill once"}, diary=str(diary))
    execute(stage, store, RUNTIME)
    artifact = assert_sound(store, stage, set(IDS))
    assert artifact.manifest()["quarantined"] == []
    assert sorted(worked_on(diary)) == sorted([*IDS, "07"]), "only what was in flight is redone"


@pytest.mark.integration
def test_bad_items_never_stop_the_others(store: Store) -> None:
    trouble = {"02": "reject", "05": "kill", "08": "hang", "10": "raise"}
    stage = Clips(ids=IDS, trouble=trouble, quarantine_share=0.5, shards=2)
    execute(stage, store, Runtime(batch=4, stall_seconds=5))
    artifact = assert_sound(store, stage, set(IDS))
    bad = {q["id"]: (q["reason"], q["detail"]) for q in artifact.manifest()["quarantined"]}
    assert {i: reason for i, (reason, _) in bad.items()} == {
        **{"02": "ugly", "05": "signal_9", "08": "timeout", "10": "exit_1"},
    }
    assert "a mistake in the code" in bad["10"][1]
    assert "silent for 5 s" in bad["08"][1]


def test_an_error_of_the_stage_stops_it_with_its_words(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, trouble={"05": "fail"}, diary=str(diary))
    with pytest.raises(
        StageFailed, match=r"^DataError: expected milk, found water; buy milk \(see .*\.log\)$"
    ):
        execute(stage, store, RUNTIME)
    assert not stage.artifact(store).is_sealed()
    assert worked_on(diary) == list(IDS[:6])

    mended = Clips(ids=IDS, diary=str(diary))
    execute(mended, store, RUNTIME)
    assert worked_on(diary) == list(IDS[5:])
    assert assert_sound(store, mended, set(IDS)).manifest()["quarantined"] == []


def test_a_mount_that_is_gone_quarantines_nothing(store: Store) -> None:
    stage = Clips(ids=IDS, trouble={"05": "stale"})
    with pytest.raises(StageFailed, match=r"^Stale file handle: clip.mp4 \(see .*\.log\)$"):
        execute(stage, store, RUNTIME)
    execute(Clips(ids=IDS), store, RUNTIME)
    assert assert_sound(store, stage, set(IDS)).manifest()["quarantined"] == []


def test_too_many_entries_that_are_no_items_fail_before_any_item(store: Store, diary: Path) -> None:
    stage = Refusing(ids=IDS, diary=str(diary))
    with pytest.raises(StageFailed, match=r"12 of 24 items were quarantined \(no_answer\)"):
        execute(stage, store, RUNTIME)
    assert worked_on(diary) == []
    artifact = execute(dataclasses.replace(stage, quarantine_share=0.5), store, RUNTIME)
    assert (artifact.manifest()["rows"], len(artifact.manifest()["quarantined"])) == (12, 12)


def test_too_many_bad_items_fail_the_stage_and_are_tried_again(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, trouble={"03": "reject", "04": "reject"}, diary=str(diary))
    with pytest.raises(StageFailed, match=r"2 of 12 items were quarantined \(ugly\).*share 0.05"):
        execute(stage, store, RUNTIME)
    assert not stage.artifact(store).is_sealed()
    worked_on(diary)
    execute(dataclasses.replace(stage, trouble={"03": "reject"}), store, RUNTIME)
    assert worked_on(diary) == ["03", "04"]
    manifest = assert_sound(store, stage, set(IDS)).manifest()
    assert manifest["quarantined"] == [
        {"id": "03", "reason": "ugly", "detail": "not nice to look at"}
    ]


def test_an_item_without_outcome_fails_the_stage(store: Store) -> None:
    stage = Clips(ids=IDS, trouble={"05": "skip"})
    with pytest.raises(StageFailed, match=r"found none for 1, first '05'"):
        execute(stage, store, RUNTIME)


def test_ids_must_differ(store: Store) -> None:
    with pytest.raises(DataError, match=r"found 'b' twice"):
        plan(Clips(ids=("a", "b", "c", "b")), store)


def test_a_stopped_run_starts_no_more_children_and_the_next_run_does(
    store: Store, diary: Path
) -> None:
    stage = Clips(ids=IDS, trouble={"05": "hang"}, diary=str(diary))
    errors: list[Exception] = []

    def run() -> None:
        try:
            execute(stage, store, RUNTIME)
        except StageFailed as e:
            errors.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    wait_for(lambda: " 05\n" in diary.read_text())
    stop_all_children()
    thread.join(10)
    assert [str(e) for e in errors] == ["stopped"]
    (journal,) = stage.artifact(store).path.glob("*.journal")
    assert sorted(replay(journal, ThoughtVideo)) == list(IDS[:5]), "stopping quarantines nothing"

    execute(dataclasses.replace(stage, trouble={}), store, RUNTIME)  # the next run of this process
    assert sorted(assert_sound(store, stage, set(IDS)).index()) == list(IDS)


# what is made again, and what is not


def test_a_sealed_stage_is_left_alone(sealed: Store, diary: Path) -> None:
    stage = chain(IDS, diary=str(diary), shards=3)
    assert_sound(sealed, stage, set(IDS))

    def times() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in sealed.root.rglob("*") if p.suffix != ".lock"}

    before, events = times(), []
    execute(stage, sealed, RUNTIME)
    make_shard(stage, sealed, RUNTIME, 0, events.append)  # as if another run had been faster
    assert (times(), events, worked_on(diary)) == (before, [], [])


@pytest.mark.integration
def test_adding_items_makes_only_the_new_ones(sealed: Store, store: Store, diary: Path) -> None:
    shutil.copytree(sealed.root, store.root)
    more = chain([*IDS[2:], "x", "y"], diary=str(diary), shards=2)
    execute(more, store, RUNTIME)
    assert sorted(worked_on(diary)) == ["x", "y"]
    for stage in (more.clips, more):
        assert_sound(store, stage, {*IDS[2:], "x", "y"})

    alone = Store(store.root.with_name("alone"))
    execute(more, alone, RUNTIME)
    assert data_of(store, more) == data_of(alone, more), "taken over or made: the same bytes"
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


def test_an_unfinished_artifact_gives_its_rows_too(store: Store, diary: Path) -> None:
    failing = Clips(ids=IDS, trouble={"08": "fail"}, diary=str(diary))
    with pytest.raises(StageFailed):
        execute(failing, store, RUNTIME)
    worked_on(diary)
    more = Clips(ids=(*IDS, "x"), diary=str(diary))
    execute(more, store, RUNTIME)
    assert worked_on(diary) == [*IDS[8:], "x"]


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A finished chain of three shards."""
    store = Store(tmp_path_factory.mktemp("sealed"))
    execute(chain(IDS, shards=3), store, RUNTIME)
    return store


@pytest.mark.integration
@pytest.mark.parametrize("fault", ["shard missing", "shard flipped", "blob missing", "blob cut"])
def test_damage_costs_what_is_damaged(sealed: Store, store: Store, diary: Path, fault: str) -> None:
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


def rot(path: Path) -> None:
    """One byte of a file flips, under its old time."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.integration
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
        rot(path)
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
def test_a_flipped_byte_of_a_checkpoint_is_never_taken_over(
    store: Store, diary: Path, also: str
) -> None:
    stage = Whole(ids=("checkpoint",), diary=str(diary))
    artifact = execute(stage, store, RUNTIME)
    rot(artifact.blob_path("checkpoint", ".bin"))
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


def test_damage_to_an_indivisible_stage_makes_it_again(store: Store, diary: Path) -> None:
    stage = Whole(ids=("checkpoint",), diary=str(diary))
    execute(stage, store, RUNTIME)
    (path,) = stage.artifact(store).path.glob("blobs/*/*")
    path.write_bytes(path.read_bytes()[:-1])
    execute(stage, store, RUNTIME)
    assert worked_on(diary) == ["checkpoint"] * 2
    assert_sound(store, stage, {"checkpoint"})


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


def test_a_torn_journal_costs_its_last_item(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, diary=str(diary))
    make_without_sealing(stage, store)
    worked_on(diary)
    (journal,) = stage.artifact(store).path.glob("*.journal")
    os.truncate(journal, journal.stat().st_size - 1)
    execute(stage, store, RUNTIME)
    assert worked_on(diary) == [IDS[-1]]
    assert_sound(store, stage, set(IDS))


def test_a_file_replaced_between_plan_and_run_is_noticed(store: Store, tmp_path: Path) -> None:
    from storm.videos.decoding.encode import encode_mp4
    from storm.videos.questions.sources import QuestionFile
    from storm.videos.stage import QuestionVideos

    questions = []
    for n in range(3):
        frames = np.full((8, 32, 32, 3), 20 * n, np.uint8)
        encode_mp4(tmp_path / f"{n}.mp4", frames, 8)
        about = {"video": f"{n}.mp4", "question": "what?", "options": ["a", "b"], "answer": "A"}
        questions.append({"id": f"q{n}", **about})
    (tmp_path / "qa.json").write_text(json.dumps(questions))
    stage = QuestionVideos(source=QuestionFile(questions=str(tmp_path / "qa.json")))
    plan(stage, store)
    encode_mp4(tmp_path / "1.mp4", np.full((8, 32, 32, 3), 200, np.uint8), 8)

    execute(stage, store, RUNTIME)
    (bad,) = assert_sound(store, stage, {"q0", "q1", "q2"}).manifest()["quarantined"]
    assert (bad["id"], bad["reason"]) == ("q1", "changed")

    again = QuestionVideos(source=QuestionFile(questions=str(tmp_path / "qa.json")))
    assert again.fingerprint() != stage.fingerprint(), "a new run plans with the new content"


def test_another_count_of_shards_does_not_unsettle_a_plan(store: Store) -> None:
    plan(Clips(ids=IDS, shards=3), store)
    other = Clips(ids=IDS, shards=1)
    assert plan(other, store).shards == 3
    execute(other, store, RUNTIME)
    assert_sound(store, other, set(IDS))


def test_take_over_ignores_another_recipe(store: Store, diary: Path) -> None:
    execute(Clips(ids=IDS[:3], size=5), store, RUNTIME)
    other = Vectors(clips=Clips(ids=IDS[:3], size=20, diary=str(diary)))
    execute(other, store, RUNTIME)
    assert worked_on(diary) == list(IDS[:3])
    write_json(store.root / "toy_clips" / "stray" / "plan.json", {"recipe": "x"})
    execute(Clips(ids=IDS[:4], size=20, diary=str(diary)), store, RUNTIME)
    assert worked_on(diary) == [IDS[3]]

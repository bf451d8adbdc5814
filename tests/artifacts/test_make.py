"""Making a stage with real children: what goes wrong with an item, and what is made again."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path

import pytest
from journals import replay
from toy_helpers import (
    IDS,
    RUNTIME,
    assert_sound,
    make_without_sealing,
    wait_for,
    worked_on,
)
from toy_stages import Clips, Refusing, chain

from storm.artifacts.make import execute, make_shard, plan
from storm.artifacts.store import Store
from storm.errors import DataError, StageFailed
from storm.process.children import Children, stop_all_children
from storm.records import ThoughtVideo
from storm.runtime import Runtime

# what a child may do


@pytest.mark.integration
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


@pytest.mark.integration
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


@pytest.mark.integration
def test_a_mount_that_is_gone_quarantines_nothing(store: Store) -> None:
    stage = Clips(ids=IDS, trouble={"05": "stale"})
    with pytest.raises(StageFailed, match=r"Stale file handle: clip.mp4 \(see .*\.log\)"):
        execute(stage, store, RUNTIME)
    execute(Clips(ids=IDS), store, RUNTIME)
    assert assert_sound(store, stage, set(IDS)).manifest()["quarantined"] == []


@pytest.mark.integration
def test_too_many_entries_that_are_no_items_fail_before_any_item(store: Store, diary: Path) -> None:
    stage = Refusing(ids=IDS, diary=str(diary))
    with pytest.raises(StageFailed, match=r"12 of 24 .*\(no_answer\)"):
        execute(stage, store, RUNTIME)
    assert worked_on(diary) == []
    artifact = execute(dataclasses.replace(stage, quarantine_share=0.5), store, RUNTIME)
    assert (artifact.manifest()["rows"], len(artifact.manifest()["quarantined"])) == (12, 12)


@pytest.mark.integration
def test_too_many_bad_items_fail_the_stage_and_are_tried_again(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, trouble={"03": "reject", "04": "reject"}, diary=str(diary))
    with pytest.raises(StageFailed, match=r"2 of 12 .*\(ugly\).* 0\.05"):
        execute(stage, store, RUNTIME)
    assert not stage.artifact(store).is_sealed()
    worked_on(diary)
    execute(dataclasses.replace(stage, trouble={"03": "reject"}), store, RUNTIME)
    assert worked_on(diary) == ["03", "04"]
    manifest = assert_sound(store, stage, set(IDS)).manifest()
    assert manifest["quarantined"] == [
        {"id": "03", "reason": "ugly", "detail": "not nice to look at"}
    ]


@pytest.mark.integration
def test_an_item_without_outcome_fails_the_stage(store: Store) -> None:
    stage = Clips(ids=IDS, trouble={"05": "skip"})
    with pytest.raises(StageFailed, match="first '05'"):
        execute(stage, store, RUNTIME)


def test_ids_must_differ(store: Store) -> None:
    with pytest.raises(DataError, match=r"found 'b' twice"):
        plan(Clips(ids=("a", "b", "c", "b")), store)


@pytest.mark.integration
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


@pytest.mark.integration
def test_a_sealed_stage_is_left_alone(sealed: Store, diary: Path) -> None:
    stage = chain(IDS, diary=str(diary), shards=3)
    assert_sound(sealed, stage, set(IDS))

    def times() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in sealed.root.rglob("*") if p.suffix != ".lock"}

    before, events = times(), []
    execute(stage, sealed, RUNTIME)
    make_shard(
        stage, sealed, RUNTIME, 0, Children(), events.append
    )  # as if another run had been faster
    assert (times(), events, worked_on(diary)) == (before, [], [])


@pytest.mark.integration
def test_a_torn_journal_loses_only_its_last_item(store: Store, diary: Path) -> None:
    stage = Clips(ids=IDS, diary=str(diary))
    make_without_sealing(stage, store)
    worked_on(diary)
    (journal,) = stage.artifact(store).path.glob("*.journal")
    os.truncate(journal, journal.stat().st_size - 1)
    execute(stage, store, RUNTIME)
    assert worked_on(diary) == [IDS[-1]]
    assert_sound(store, stage, set(IDS))


@pytest.mark.integration
def test_another_count_of_shards_does_not_unsettle_a_plan(store: Store) -> None:
    plan(Clips(ids=IDS, shards=3), store)
    other = Clips(ids=IDS, shards=1)
    assert plan(other, store).shards == 3
    execute(other, store, RUNTIME)
    assert_sound(store, other, set(IDS))

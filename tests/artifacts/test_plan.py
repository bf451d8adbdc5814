"""A plan records what its inputs held: other rows make it anew, the same rows leave it alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from toy_helpers import IDS, RUNTIME, assert_sound, data_of, worked_on
from toy_stages import Clips, Vectors, Whole

from storm.artifacts.explain import reasons
from storm.artifacts.fs import sha256_file
from storm.artifacts.make import execute, purge
from storm.artifacts.plan import changed_inputs, plan
from storm.artifacts.stage import Stage
from storm.artifacts.status import Status, status
from storm.artifacts.store import Store
from storm.records import ThoughtVideo


@dataclasses.dataclass(frozen=True)
class Chance(Clips):
    """Clips whose bytes hang on something that is not its identity, as a GPU's do."""

    name = "toy_chance"
    luck: int = dataclasses.field(default=0, kw_only=True, metadata={"identity": False})

    def items(self, store: Store):
        return [(i, ()) for i in self.ids]

    def make(self, ids, context):
        for item_id in context.each(ids):
            path = context.artifact.blob_path(item_id, ".bin")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes([self.luck if item_id < "03" else 0]) * self.size)
            yield ThoughtVideo(
                id=item_id,
                blob=path.relative_to(context.artifact.path).as_posix(),
                sha256=sha256_file(path),
                frames=1,
                fps=1.0,
                height_px=1,
                width_px=1,
                seed=0,
            )


@dataclasses.dataclass(frozen=True)
class Summary(Whole):
    """One item made from all vectors; a training."""

    name = "toy_summary"
    vectors: Vectors = dataclasses.field(kw_only=True)

    def items(self, store: Store):
        digests = sorted(self.vectors.artifact(store).index().values())
        return [("summary", tuple(digests))]


def graph(luck: int = 0, diary: Path | str = "") -> tuple[Chance, Vectors, Summary]:
    clips = Chance(ids=IDS, luck=luck, size=20)
    vectors = Vectors(clips=clips, shards=2)
    return clips, vectors, Summary(vectors=vectors, diary=str(diary))


def remake(clips: Stage, store: Store) -> None:
    purge(clips, store)
    execute(clips, store, RUNTIME)


@pytest.mark.integration
def test_the_same_rows_again_leave_later_stages_alone(store: Store, diary: Path) -> None:
    clips, vectors, summary = graph(diary=diary)
    execute(summary, store, RUNTIME)
    before = [s.artifact(store).path.joinpath("manifest.json").stat() for s in (vectors, summary)]
    remake(clips, store)
    assert status(summary, store).complete
    execute(summary, store, RUNTIME)
    after = [s.artifact(store).path.joinpath("manifest.json").stat() for s in (vectors, summary)]
    assert [s.st_mtime_ns for s in after] == [s.st_mtime_ns for s in before]
    assert len(worked_on(diary)) == 1


@pytest.mark.integration
def test_other_rows_make_what_hangs_on_them(store: Store, diary: Path) -> None:
    _, vectors, summary = graph(diary=diary)
    execute(summary, store, RUNTIME)
    leftover = summary.artifact(store).path / "work"
    leftover.mkdir()
    other, vectors, summary = graph(luck=1, diary=diary)
    remake(other, store)

    assert status(vectors, store).state == "stale"
    assert not changed_inputs(summary, store), "its own input has not been made again yet"
    assert status(summary, store) == Status("stale", "toy_vectors is stale")
    text = "\n".join(reasons(vectors, store))
    assert text == "toy_vectors has to run: other rows than it was made from in clips"

    keys = {item.id: item.key for item in plan(vectors, Store(store.root)).items}
    assert not vectors.artifact(store).has_manifest(), "the seal is taken back with the plan"
    execute(summary, store, RUNTIME)
    assert status(summary, store).complete
    assert len(worked_on(diary)) == 2, "the training was made again"
    assert not leftover.exists(), "and went on from nothing that was there"
    for stage in (other, vectors):
        assert_sound(store, stage, set(IDS))

    alone = Store(store.root.with_name("alone"))
    execute(summary, alone, RUNTIME)
    assert data_of(store, vectors) == data_of(alone, vectors)
    assert {item.id: item.key for item in plan(vectors, alone).items} == keys


@pytest.mark.integration
def test_an_unfinished_stage_follows_its_input_too(store: Store) -> None:
    clips, vectors, _ = graph()
    execute(clips, store, RUNTIME)
    first = plan(vectors, store)
    other, vectors, _ = graph(luck=1)
    remake(other, store)
    second = plan(dataclasses.replace(vectors, shards=5), store)
    changed = {a.id for a, b in zip(first.items, second.items, strict=True) if a.key != b.key}
    assert changed == {"00", "01", "02"}
    assert second.shards == first.shards, "tasks of the first plan may be under way"


@pytest.mark.integration
def test_a_plan_made_anew_leaves_items_in_their_shards(store: Store) -> None:
    """Their rows are in those shards, by whatever rule they got there."""
    clips, vectors, _ = graph()
    execute(clips, store, RUNTIME)
    first = plan(vectors, store)
    moved = tuple(dataclasses.replace(item, shard=1 - item.shard) for item in first.items)
    vectors.artifact(store).write_plan(dataclasses.replace(first, items=moved))
    other, vectors, _ = graph(luck=1)
    remake(other, store)
    second = plan(vectors, store)
    assert second.items != moved
    assert [item.shard for item in second.items] == [item.shard for item in moved]

"""Roots, and how artifacts are found in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from artifact_writer import write_artifact
from toy_stages import Clips, chain

from storm.artifacts.artifact import artifact_around
from storm.artifacts.make import execute, plan
from storm.artifacts.store import Store
from storm.artifacts.store import upstream as upstream_of
from storm.errors import NotSealed, StoreError
from storm.runtime import Runtime

IDS = ("a", "b")
STAGE = Clips(ids=IDS)


def test_an_address_is_no_root() -> None:
    with pytest.raises(StoreError, match="found s3://bucket/x"):
        Store("s3://bucket/x")


def test_a_root_where_nothing_can_be_written_is_one_line() -> None:
    with pytest.raises(StoreError, match=r"/proc/nope/.*No such"):
        execute(STAGE, Store("/proc/nope"), Runtime())


def test_artifacts_of_one_recipe_are_found(store: Store) -> None:
    plan(STAGE, store)
    planned = STAGE.artifact(store).path
    assert [a.path for a in store.of_recipe("toy_clips", STAGE.recipe)] == [planned]
    assert store.of_recipe("toy_clips", chain(IDS).recipe) == []


def test_manifests_lead_from_a_blob_to_what_it_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    clips = write_artifact(store, "clips")
    other = write_artifact(store, "other")
    targets = write_artifact(store, "targets", (), clips)
    one = write_artifact(store, "one", (), other, targets)
    two = write_artifact(store, "two", (), one, other)
    found = artifact_around(two.path / "checkpoint")
    assert (found.path, found.stage, found.fingerprint) == (two.path, "two", two.fingerprint)
    for expected in (one, other, targets, clips):
        upstream = upstream_of(found, expected.stage)
        assert (upstream.path, upstream.fingerprint) == (expected.path, expected.fingerprint)
    with pytest.raises(StoreError, match=r"two .* clips"):
        upstream_of(clips, "two")
    with pytest.raises(NotSealed):
        artifact_around(tmp_path / "nowhere" / "checkpoint")
    shutil.rmtree(targets.path)
    with pytest.raises(NotSealed, match="targets"):
        upstream_of(found, "clips")

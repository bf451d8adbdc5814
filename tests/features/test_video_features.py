"""Features of videos: one row a video, made by the base student's vision encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from storm.artifacts.stage import Context
from storm.artifacts.store import Store
from storm.features.encoder import load_student, vision_encoder_of
from storm.pipeline.assemble import assemble
from storm.profiles import load
from storm.records import Rejected
from storm.runtime import Runtime
from storm.student.vision_encoder_digest import vision_encoder_digest
from storm.testing import run_stage
from storm.videos.stage import videos_of

pytestmark = pytest.mark.integration
COUNTS = "videos.counts={base: 2, train: 2, test: 1}"


@pytest.fixture(scope="module")
def stage() -> Any:
    return assemble(load("smoke", [COUNTS, "curriculum=[]"])).find("video_features")


@pytest.fixture(scope="module")
def store(stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("root"))
    for needed in stage.inputs.values():
        run_stage(needed, store)
    return store


def context(stage: Any, store: Store) -> Context:
    return Context(
        store=store,
        artifact=stage.artifact(store),
        runtime=Runtime.model_validate({}),
        emit=print,
        begin=print,
        batch=1,
    )


def test_items_are_training_and_test_videos_keyed_by_contents_and_encoder(
    stage: Any, store: Store
) -> None:
    encoder = vision_encoder_of(stage.base, store)
    (checkpoint,) = stage.base.artifact(store).path.glob("checkpoint")
    assert encoder == vision_encoder_digest(checkpoint)
    videos = videos_of(stage.videos, store, "train", "test")
    assert stage.items(store) == [
        (video_id, (video.video_sha256, encoder)) for video_id, video in videos.items()
    ]
    assert len(videos) == 3


def test_features_are_those_of_the_student_and_a_lost_video_is_rejected(
    stage: Any, store: Store, tmp_path: Path
) -> None:
    lost, *others = (item_id for item_id, _ in stage.items(store))
    videos = videos_of(stage.videos, store, "train", "test")
    path = stage.videos.locate(store, videos[lost])
    away = path.rename(tmp_path / "away.mp4")
    try:
        bad, *rows = stage.make([lost, *others], context(stage, store))
    finally:
        away.rename(path)
    assert isinstance(bad, Rejected)
    assert (bad.id, bad.reason) == (lost, "missing")
    student = load_student(stage.base, context(stage, store), "float32")
    for row, video_id in zip(rows, others, strict=True):
        frames = stage.sampling.sample(stage.videos.locate(store, videos[video_id]))
        video = student.encode_video(frames.pixels, frames.pts_seconds)
        assert (row.id, row.grid_thw) == (video_id, video.grid_thw)
        np.testing.assert_array_equal(row.tokens, video.packed())

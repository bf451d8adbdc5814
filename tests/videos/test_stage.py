"""The stage `videos`: every video is decoded in one shard only."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from storm.artifacts.plan import plan
from storm.artifacts.stage import Context
from storm.artifacts.store import Store
from storm.runtime import Runtime
from storm.videos.stage import QuestionVideos
from tests.videos.question_files import many


def test_a_video_is_decoded_in_one_shard_alone(
    root: Path, film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    stage = QuestionVideos(source=many(root, film, 60), shards=4)
    store, decoded = Store(tmp_path / "store"), Counter()
    monkeypatch.setattr(
        "storm.videos.decoding.decode.verify_decodable", lambda path: decoded.update([path.name])
    )
    planned = plan(stage, store)

    def quiet(said: object) -> None: ...

    artifact = stage.artifact(store)
    context = Context(
        store=store, artifact=artifact, runtime=Runtime(), emit=quiet, begin=quiet, batch=1
    )
    for number in range(4):
        ids = [item.id for item in planned.shard(number)]
        assert ids, "the videos are spread over the shards"
        assert len(list(stage.make(ids, context))) == len(ids)
    assert set(decoded.values()) == {1}

"""The stage `videos`: what is decoded, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from toy_helpers import assert_sound

from storm.artifacts.make import execute
from storm.artifacts.plan import plan
from storm.artifacts.stage import Context
from storm.artifacts.store import Store
from storm.runtime import Runtime
from storm.videos.decoding.encode import encode_mp4
from storm.videos.questions.sources import QuestionFile
from storm.videos.stage import QuestionVideos
from tests.videos.question_files import many


def test_a_video_is_decoded_in_only_one_shard(
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


@pytest.mark.integration
def test_a_file_replaced_between_plan_and_run_is_quarantined(store: Store, tmp_path: Path) -> None:
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

    execute(stage, store, Runtime(batch=4))
    (bad,) = assert_sound(store, stage, {"q0", "q1", "q2"}).manifest()["quarantined"]
    assert (bad["id"], bad["reason"]) == ("q1", "changed")

    again = QuestionVideos(source=QuestionFile(questions=str(tmp_path / "qa.json")))
    assert again.fingerprint() != stage.fingerprint(), "a new run plans with the new content"

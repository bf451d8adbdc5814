"""What the keys of keyframes hang on: the video, and the questions if they are read."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from storm.artifacts.stage import canonical
from storm.errors import ConfigError
from storm.keyframes.motion import MotionSelector
from storm.keyframes.query import QuerySelector
from storm.keyframes.stage import KeyframesStage
from storm.records import VideoSample
from storm.testing import make_sample


class Videos:
    def __init__(self, *questions: str):
        self.questions = questions

    def rows(self, store: Any) -> list[VideoSample]:
        return [
            make_sample(f"q{n}", video_sha256="0" * 64, question=question, options=("yes", "no"))
            for n, question in enumerate(self.questions)
        ]


def items(selector: Any, *questions: str) -> list[Any]:
    videos: Any = Videos(*questions)
    store: Any = None
    return list(KeyframesStage(videos=videos, selector=selector).items(store))


def test_only_a_selector_that_reads_questions_is_asked_again_for_others():
    query = QuerySelector.Config(model="somewhere")
    assert items(query, "who?", "why?") == items(query, "why?", "who?")
    assert items(query, "who?", "why?") != items(query, "who?")
    motion = MotionSelector.Config()
    assert items(motion, "who?", "why?") == items(motion, "who?") == [("v", ("0" * 64,))]


def test_query_is_known_by_its_models_content_and_not_its_place(tmp_path: Path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(b"weights")

    def identity(name: str, **settings: Any) -> Any:
        return canonical(QuerySelector.Config(model=str(tmp_path / name), **settings))

    before = identity("one")
    assert identity("other") == before != identity("one", margin=2.0)
    (tmp_path / "one" / "model.safetensors").write_bytes(b"weights that are better")
    assert identity("one") != before
    with pytest.raises(ConfigError, match=r"found no folder .*pin its commit"):
        identity("none")
    assert identity("none", revision="0" * 40) != identity("none", revision="1" * 40)
    with pytest.raises(ValidationError, match="pattern"):
        identity("none", revision="main")

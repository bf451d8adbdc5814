"""What the keys of keyframes hang on: the video, and the questions if they are read."""

from typing import Any

from storm.keyframes.motion import MotionSelector
from storm.keyframes.query import QuerySelector
from storm.keyframes.stage import KeyframesStage
from storm.records import VideoSample


class Videos:
    def __init__(self, *questions: str):
        self.questions = questions

    def rows(self, store: Any) -> list[VideoSample]:
        return [
            VideoSample(
                id=f"q{n}",
                video_id="v",
                video_path="v.mp4",
                video_sha256="0" * 64,
                split="train",
                question=question,
                options=("yes", "no"),
                answer="A",
            )
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

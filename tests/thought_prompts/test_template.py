"""The teacher without a model says what it was given, and the answer only if told to."""

from __future__ import annotations

from teaching import NO_SETUP

from storm.records import Keyframes, ThoughtPrompt, VideoSample
from storm.thought_prompts.base import TeacherRequest
from storm.thought_prompts.template import TemplateTeacher


def request(question: str = "Which hand\nthrows?", options=("the left", "the right"), answer="B"):
    sample = VideoSample(
        id="q1",
        video_id="v.mp4",
        video_path="v.mp4",
        video_sha256="0",
        split="train",
        question=question,
        options=options,
        answer=answer,
    )
    keyframes = Keyframes(
        id="v.mp4",
        pts_seconds=(0.0, 1.25, 3.96),
        reasons=("first", "motion_peak", "last"),
        scores=(1.0, 0.5, 1.0),
        images=(b"", b"", b""),
        duration_seconds=4.0,
    )
    return TeacherRequest(sample, keyframes)


def write(request: TeacherRequest, **config) -> ThoughtPrompt:
    (prompt,) = TemplateTeacher.Config(**config).build(NO_SETUP).write([request])
    assert isinstance(prompt, ThoughtPrompt)
    return prompt


def test_it_tells_the_question_and_every_keyframe_in_order():
    prompt = write(request())
    assert (prompt.id, prompt.video_id, prompt.teacher) == ("q1", "v.mp4", "template")
    assert "Which hand throws?" in prompt.prompt
    assert len(prompt.steps) == 3
    assert prompt.steps[1] == "At 1.2 s the movement is strongest"
    places = [prompt.prompt.index(step) for step in prompt.steps]
    assert places == sorted(places)
    assert write(request()) == prompt


def test_the_answer_is_told_only_on_request():
    quiet, loud = write(request()), write(request(), saw_answer=True)
    assert not quiet.saw_answer
    assert "right" not in quiet.prompt
    assert loud.saw_answer
    assert "the right" in loud.prompt
    assert "the left" not in loud.prompt
    assert "forty" in write(request(options=(), answer="forty"), saw_answer=True).prompt


def test_a_long_question_is_cut():
    prompt = write(request("why " * 500), max_question_chars=40)
    assert len(prompt.prompt) < 500

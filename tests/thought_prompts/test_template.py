"""The teacher without a model says what it was given, and the answer only if told to."""

from __future__ import annotations

from teacher_requests import NO_SETUP, teacher_request

from storm.records import ThoughtPrompt
from storm.thought_prompts.base import TeacherRequest
from storm.thought_prompts.template import TemplateTeacher


def write(request: TeacherRequest, **config) -> ThoughtPrompt:
    (prompt,) = TemplateTeacher.Config(**config).build(NO_SETUP).write([request])
    assert isinstance(prompt, ThoughtPrompt)
    return prompt


def test_it_writes_the_question_and_every_keyframe_in_order():
    prompt = write(teacher_request())
    assert (prompt.id, prompt.video_id, prompt.teacher) == ("q0", "v", "template")
    assert "Which hand throws?" in prompt.prompt
    broken = write(teacher_request(question="Which hand\nthrows?"))
    assert broken == prompt
    assert len(prompt.steps) == 3
    assert prompt.steps[1] == "At 1.2 s the movement is strongest"
    places = [prompt.prompt.index(step) for step in prompt.steps]
    assert places == sorted(places)
    assert write(teacher_request()) == prompt


def test_the_answer_is_told_only_on_request():
    quiet, loud = write(teacher_request()), write(teacher_request(), saw_answer=True)
    assert not quiet.saw_answer
    assert "right" not in quiet.prompt
    assert loud.saw_answer
    assert "the right" in loud.prompt
    assert "the left" not in loud.prompt
    assert "forty" in write(teacher_request(options=(), answer="forty"), saw_answer=True).prompt


def test_a_long_question_is_cut():
    prompt = write(teacher_request(question="why " * 500), max_question_chars=40)
    assert len(prompt.prompt) < 500

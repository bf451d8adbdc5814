"""What holds for every teacher, whatever it is made of."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixed_text_model import TINY, write_fixed_text_model
from pydantic import ValidationError
from scripted_server import Act, ScriptedServer, says
from teacher_requests import teacher_request, valid_reply

from storm.artifacts.arrow import from_table, to_table
from storm.llm_client import ChatConfig
from storm.plugins import Component
from storm.records import Rejected, ThoughtPrompt
from storm.shell_game.teacher import ShellTeacher
from storm.thought_prompts.base import Teacher, TeacherRequest, TeacherSetup
from storm.thought_prompts.endpoint import EndpointTeacher
from storm.thought_prompts.local import PretrainedTeacher, TransformersTeacher
from storm.thought_prompts.template import TemplateTeacher

AT_ONCE = 4
REQUESTS = [
    teacher_request("q0"),
    teacher_request(
        "../q\u00e9 \U0001f600 %s {x}\n" * 5, question="Why? {0} %d <|im_end|><|image_pad|>"
    ),
    teacher_request("open", options=(), answer="forty"),
    teacher_request("long", question="why " * 50),
    teacher_request("single", frames=1),
    *(teacher_request(f"more{n}") for n in range(2 * AT_ONCE)),
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(lambda body, seen: Act(says(valid_reply(body)))) as server:
        yield server


@pytest.fixture(scope="module")
def fixed_text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    said = '{"steps": ["the cup moves to the left"], "video_prompt": "A red cup slides."}'
    return write_fixed_text_model(tmp_path_factory.mktemp("fixed_text_model"), said)


@pytest.fixture(params=["own", "shell", "template", "tiny_random", "pretrained", "endpoint"])
def config(request: pytest.FixtureRequest) -> Any:
    local = {"dtype": "float32", "max_new_tokens": 4, "batch": AT_ONCE}
    if request.param == "own":
        path = "own_components:EchoTeacher"
        return Component("storm.teachers").validate({"kind": path, "words": "See"})
    if request.param == "shell":
        return ShellTeacher.Config()
    if request.param == "template":
        return TemplateTeacher.Config()
    if request.param == "tiny_random":
        return TransformersTeacher.Config(model=TINY, **local)
    if request.param == "pretrained":
        path = request.getfixturevalue("fixed_text_model")
        return TransformersTeacher.Config(model=PretrainedTeacher(path=path), **local)
    url = request.getfixturevalue("server").url
    chat = ChatConfig(base_url=url, model="m", concurrency=AT_ONCE, api_key_env="NO_KEY")
    return EndpointTeacher.Config(chat=chat)


@pytest.fixture
def setup(tmp_path: Path) -> TeacherSetup:
    return TeacherSetup("cpu", tmp_path / "cache", tmp_path / "usage")


def test_one_outcome_a_request_whatever_its_neighbours(config: Any, setup: TeacherSetup) -> None:
    teacher: Teacher = config.build(setup)
    outcomes = list(teacher.write(REQUESTS))
    assert sorted(o.id for o in outcomes) == sorted(r.sample.id for r in REQUESTS)
    rows = [o for o in outcomes if isinstance(o, ThoughtPrompt)]
    if config.kind != "shell" and getattr(config, "model", None) is not TINY:
        assert len(rows) == len(REQUESTS)  # those two find nothing to say to such requests
    if rows:
        assert from_table(to_table(rows), ThoughtPrompt) == rows
    for row in rows:
        assert (row.video_id, row.teacher, row.saw_answer) == ("v", config.kind, False)
        assert row.steps
    for rejected in outcomes:
        if isinstance(rejected, Rejected):
            assert rejected.reason.isidentifier()
            assert rejected.detail
    made = {o.id: o for o in outcomes}
    for request in reversed(REQUESTS[:3]):
        assert list(teacher.write([request])) == [made[request.sample.id]]
    assert list(teacher.write([])) == []


def test_requests_are_taken_when_they_can_be_worked_on(config: Any, setup: TeacherSetup) -> None:
    taken: list[TeacherRequest] = []
    teacher: Teacher = config.build(setup)
    outcomes = teacher.write(taken.append(r) or r for r in REQUESTS)
    for given, _ in enumerate(outcomes):
        assert len(taken) - given <= AT_ONCE


def test_the_answer_is_seen_only_on_request(config: Any, setup: TeacherSetup) -> None:
    request = REQUESTS[0]
    other = dataclasses.replace(request.sample, answer="A")
    both = [request, TeacherRequest(other, request.keyframes)]
    teacher: Teacher = config.build(setup)
    one, two = (next(iter(teacher.write([r]))) for r in both)
    assert one == two
    if "saw_answer" in type(config).model_fields:
        told = config.model_copy(update={"saw_answer": True}).build(setup)
        for outcome in told.write(both):
            assert isinstance(outcome, Rejected) or outcome.saw_answer


def test_configurations_are_frozen_strict_and_travel(config: Any) -> None:
    kinds = Component("storm.teachers")
    raw = config.model_dump(mode="json")
    if config.kind == "echo":
        raw["kind"] = "own_components:EchoTeacher"
    assert kinds.validate(raw) == config == pickle.loads(pickle.dumps(config))
    with pytest.raises(ValidationError, match="not permitted"):
        kinds.validate({**raw, "tempreature": 1})
    with pytest.raises(ValidationError, match="frozen"):
        config.kind = "other"

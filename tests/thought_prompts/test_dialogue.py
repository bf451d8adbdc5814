"""How a model's words become a row: what is let pass, what is asked again, what is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from teacher_requests import teacher_request

from storm.artifacts.fs import digest
from storm.llm_client import NoReply, Reply
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.dialogue import BadReply, dialogue, read
from storm.thought_prompts.instruction import INSTRUCTION, Turn, conversation, tag_of

GOOD = json.dumps({"steps": ["a moves"], "video_prompt": "A moves."})
REQUEST = teacher_request()
TAG = tag_of(REQUEST.sample)


def words(turns: list[Turn]) -> str:
    return "\n".join(p for t in turns for p in t.parts if isinstance(p, str))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"Sure! Here it is:\n{GOOD}\nI hope {{this}} helps.",
        f'<think>{{"steps": 1}} hm, {{no}}</think>{GOOD}',
        f"{{not json}} {GOOD}",
        json.dumps({"id": TAG, "steps": [" a moves "], "video_prompt": "A moves.\n", "mood": 3}),
        json.dumps({"id": None, "steps": ["a moves"], "video_prompt": "A moves."}, indent=2),
    ],
)
def test_text_around_the_object_is_accepted(text: str) -> None:
    thought = read(Reply(text), TAG)
    assert (thought.steps, thought.video_prompt) == (("a moves",), "A moves.")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("reply", "reason", "fault"),
    [
        (Reply(""), "bad_reply", "no JSON object"),
        (Reply("I can't see any video."), "bad_reply", "no JSON object"),
        (Reply('{"steps": ["a"'), "bad_reply", "no JSON"),
        (Reply('{"steps": ["a"', "length"), "cut_reply", "cut off"),
        (Reply("[1, 2]"), "bad_reply", "no JSON object"),
        (Reply('{"steps": []}'), "bad_reply", "steps: .*at least 1"),
        (Reply('{"steps": "a", "video_prompt": "b"}'), "bad_reply", "steps: .*tuple"),
        (Reply('{"steps": ["a"], "video_prompt": " "}'), "bad_reply", "video_prompt: .*at least 1"),
        (Reply('{"steps": [7], "video_prompt": "b"}'), "bad_reply", "steps.0: .*string"),
        (Reply('{"steps": ["\\ud800"], "video_prompt": "b"}'), "bad_reply", "steps.0: .*unicode"),
        (Reply(GOOD.replace("A moves", "x" * 5000)), "bad_reply", "at most 4000"),
        (Reply('{"a":' * 100_000), "bad_reply", "nested"),
        (Reply("{" * 200_000), "bad_reply", "no JSON"),
        (Reply(GOOD.replace("{", '{"id": "q-00000000", ')), "wrong_id", "q-00000000"),
        (Reply("I won't.", "refusal"), "refused", "refuses"),
        (Reply("", "content_filter"), "refused", "content_filter"),
    ],
)
def test_what_cannot_be_used_has_a_name(reply: Reply, reason: str, fault: str) -> None:
    with pytest.raises(BadReply) as caught:
        read(reply, TAG)
    assert caught.value.reason == reason
    assert re.search(fault, caught.value.fault, re.IGNORECASE)


@given(st.text() | st.lists(st.none() | st.text()).map(json.dumps))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for finish in ("stop", "length"):
        with pytest.raises(BadReply):
            read(Reply("{" + text, finish), TAG)


def test_a_bad_reply_is_asked_again_once_with_its_fault() -> None:
    talk = dialogue(REQUEST, "t", False)
    first = next(talk)
    again = talk.send(Reply("well, {"))
    assert again[: len(first)] == first
    assert [turn.role for turn in again[len(first) :]] == ["assistant", "user"]
    assert again[-2].parts == ("well, {",)
    assert "it is no JSON" in words(again[-1:])
    with pytest.raises(StopIteration) as end:
        talk.send(Reply(GOOD))
    assert isinstance(end.value.value, ThoughtPrompt)


@pytest.mark.parametrize("said", [["no", "no " * 1000], [""] * 2])
def test_the_second_bad_reply_is_quarantined_as_it_came(said: list[str]) -> None:
    talk = dialogue(REQUEST, "t", False)
    next(talk)
    talk.send(Reply(said[0]))
    with pytest.raises(StopIteration) as end:
        talk.send(Reply(said[1]))
    rejected = end.value.value
    assert isinstance(rejected, Rejected)
    assert (rejected.id, rejected.reason) == ("q0", "bad_reply")
    assert repr(said[1][:1000]) in rejected.detail
    assert len(rejected.detail) < 1200


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply("I won't.", "refusal"), "refused"), (NoReply("timeout", "60 s"), "timeout")],
)
def test_what_another_try_would_not_mend_is_not_asked_again(
    reply: Reply | NoReply, reason: str
) -> None:
    talk = dialogue(REQUEST, "t", False)
    next(talk)
    with pytest.raises(StopIteration) as end:
        talk.send(reply)
    assert end.value.value.reason == reason


def test_the_instruction_holds_what_is_known_and_the_answer_only_on_request() -> None:
    quiet, told = (conversation(REQUEST, saw, 16) for saw in (False, True))
    text = words(quiet)
    assert "Which hand throws?\nA. the left\nB. the right\n" in text
    assert "Keyframe 2, at 1.25 s: the movement is strongest." in text
    assert "video of 4.0 seconds" in text
    assert TAG in text
    assert "right answer" not in text
    assert "The right answer: the right" in words(told)
    assert [p for p in quiet[1].parts if isinstance(p, bytes)] == list(REQUEST.keyframes.images)
    other = conversation(teacher_request(answer="A"), False, 16)
    assert other == quiet


def test_who_changes_the_instruction_changes_its_version() -> None:
    text = "\0".join(words(conversation(REQUEST, saw, 16)) for saw in (False, True))
    assert (INSTRUCTION, digest(text)[:16]) == ("steps-1", "122655b37d8d5416")

"""Dialogue with a model: ask, parse the reply, and correct a bad one once.

Both teachers that are models drive the same `dialogue`; they differ in how they get replies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from storm.llm_client import NoReply, Reply
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherRequest
from storm.thought_prompts.instruction import Turn, conversation, correction, tag_of

MAX_STEPS = 16
_KEPT = 1000  # characters of a bad reply that the quarantine keeps
_OBJECTS = 20  # opening braces that are tried as the start of the object

_Line = StringConstraints(strip_whitespace=True, min_length=1, max_length=500)


class Thought(BaseModel):
    """The reply's JSON object; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True)

    id: str | None = None  # the request's tag, if the model repeats it
    steps: tuple[Annotated[str, _Line], ...] = Field(min_length=1, max_length=MAX_STEPS)
    video_prompt: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)
    ]


class BadReply(Exception):
    """A reply that can't be used: a slug, and a sentence that may be told to the model."""

    def __init__(self, reason: str, fault: str):
        super().__init__(fault)
        self.reason, self.fault = reason, fault


def dialogue(
    request: TeacherRequest, teacher: str, saw_answer: bool
) -> Generator[list[Turn], Reply | NoReply, ThoughtPrompt | Rejected]:
    """Yield the conversation so far, receive a reply, return the outcome.

    Args:
        request: The question and its keyframes.
        teacher: The `kind` that the row records.
        saw_answer: Whether to tell the model the answer.
    """
    sample = request.sample
    turns = conversation(request, saw_answer, MAX_STEPS)
    for last in (False, True):
        reply = yield turns
        if isinstance(reply, NoReply):
            return Rejected(id=sample.id, reason=reply.reason, detail=reply.detail)
        try:
            thought = read(reply, tag_of(sample))
        except BadReply as bad:
            if last or bad.reason == "refused":
                detail = f"{bad.fault}; the reply was: {reply.text[:_KEPT]!r}"
                return Rejected(id=sample.id, reason=bad.reason, detail=detail)
            turns = turns + correction(reply.text[:_KEPT], bad.fault)
        else:
            return ThoughtPrompt(
                id=sample.id,
                video_id=sample.video_id,
                prompt=thought.video_prompt,
                steps=thought.steps,
                teacher=teacher,
                saw_answer=saw_answer,
            )
    raise AssertionError("the last try returns")


def read(reply: Reply, tag: str) -> Thought:
    """Return the thought in a reply.

    Raises:
        BadReply: If there is none that can be used.
    """
    if reply.finish in ("refusal", "content_filter"):
        raise BadReply("refused", f"the model refuses ({reply.finish})")
    try:
        thought = Thought.model_validate(_object_in(reply.text))
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the reply"
        raise _cut_or(reply, f"{place}: {first['msg']}") from None
    except ValueError as e:
        raise _cut_or(reply, str(e)) from None
    if thought.id is not None and thought.id != tag:
        raise BadReply("wrong_id", f"expected the id {tag!r}, found {thought.id[:40]!r}")
    return thought


def _cut_or(reply: Reply, fault: str) -> BadReply:
    if reply.finish == "length":
        return BadReply("cut_reply", "it was cut off at the limit of tokens, so write less")
    return BadReply("bad_reply", fault)


def _object_in(text: str) -> object:
    """Return the first JSON object, ignoring fences, words and a model's thinking around it."""
    text = text.rpartition("</think>")[2]
    decoder, fault = json.JSONDecoder(), "it holds no JSON object"
    for brace in list(re.finditer(r"\{", text))[:_OBJECTS]:
        try:
            return decoder.raw_decode(text, brace.start())[0]
        except json.JSONDecodeError as e:
            fault = f"it is no JSON: {e.msg} at character {e.pos}"
        except RecursionError:
            fault = "it is nested too deeply"
    raise ValueError(fault)

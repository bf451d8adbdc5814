"""Teacher behind an OpenAI-compatible server: vLLM, SGLang, `transformers serve`, OpenAI."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from storm.llm_client import ChatClient, ChatConfig, Message, NoReply, Reply, UsageLog
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherConfig, TeacherRequest, TeacherSetup
from storm.thought_prompts.dialogue import Thought, dialogue
from storm.thought_prompts.instruction import INSTRUCTION, Instruction, Turn

_FORMATS: dict[str, dict[str, Any]] = {
    "text": {},
    "json_object": {"response_format": {"type": "json_object"}},
    "json_schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "thought", "schema": Thought.model_json_schema()},
        }
    },
}


class EndpointTeacher:
    """Asks a server, many questions at a time."""

    class Config(TeacherConfig):
        """Settings of the teacher."""

        kind: str = "endpoint"
        chat: ChatConfig
        instruction: Instruction = INSTRUCTION
        saw_answer: bool = False  # tell the answer too; it leaks into the targets
        response_format: Literal["text", "json_object", "json_schema"] = "text"  # if it can

        def build(self, setup: TeacherSetup) -> EndpointTeacher:
            """Return the teacher."""
            return EndpointTeacher(self, setup)

        def facts(self, usage_log: Path) -> dict[str, float]:
            """Return requests, tokens and cost for the manifest."""
            return UsageLog(usage_log).facts(self.chat)

    def __init__(self, config: Config, setup: TeacherSetup):
        self.config = config
        extra = {**_FORMATS[config.response_format], **config.chat.extra}
        chat = config.chat.model_copy(update={"extra": extra})
        self.client = ChatClient(chat, setup.response_cache, setup.usage_log)

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield one outcome per request, as they come; `chat.concurrency` are in flight.

        Raises:
            StageFailed: If the server gives no more answers.
        """
        for _, outcome in self.client.each(self._write, requests):
            yield outcome

    async def _write(self, request: TeacherRequest) -> ThoughtPrompt | Rejected:
        talk = dialogue(request, self.config.kind, self.config.saw_answer)
        turns = next(talk)
        while True:
            try:
                turns = talk.send(await self._ask(turns))
            except StopIteration as end:
                return end.value

    async def _ask(self, turns: list[Turn]) -> Reply | NoReply:
        try:
            return await self.client.ask([_message(turn) for turn in turns])
        except NoReply as e:
            return e


def _message(turn: Turn) -> Message:
    if len(turn.parts) == 1 and isinstance(turn.parts[0], str):  # every server takes a plain text
        return {"role": turn.role, "content": turn.parts[0]}
    return {"role": turn.role, "content": [_part(part) for part in turn.parts]}


def _part(part: str | bytes) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    url = f"data:image/jpeg;base64,{base64.b64encode(part).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}

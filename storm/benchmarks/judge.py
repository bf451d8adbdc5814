"""A judge for what rules can't decide: an OpenAI-compatible server, read strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from storm.benchmarks.types import JudgeReply, JudgeRequest
from storm.llm_client import ChatClient, ChatConfig, NoReply, Reply

_CORRECT = (
    "You grade an answer to a question about a video. It is correct if it means the same as the "
    "correct answer, whatever its form; partly right, or right with something wrong added, is "
    'not correct. Reply with JSON and nothing else: {"correct": true} or {"correct": false}.'
)
_CHOOSE = (
    "You get a description of a video and a multiple-choice question about the video. Answer from "
    "the description alone. Reply with JSON and nothing else: the letter of the option that the "
    'description supports, as in {"answer": "B"}, or {"answer": "none"} if it supports none.'
)


class ChatJudge:
    """One model as a judge; its replies are cached under `folder` by request.

    The key comes from the environment (`config.api_key_env`) and is written nowhere.
    """

    def __init__(self, config: ChatConfig, folder: Path):
        self._client = ChatClient(config, folder / "response_cache", folder / "usage.jsonl")

    @property
    def name(self) -> str:
        """The model's name."""
        return self._client.config.model

    def ask(self, requests: Sequence[JudgeRequest]) -> list[JudgeReply]:
        """Return one reply per request, in order.

        Raises:
            StageFailed: If the server can't be used; replies until then stay in the cache.
        """
        replies: dict[int, JudgeReply] = {}
        for (number, _), reply in self._client.each(self._ask_once, enumerate(requests)):
            replies[number] = reply
        return [replies[number] for number in range(len(requests))]

    async def _ask_once(self, numbered: tuple[int, JudgeRequest]) -> JudgeReply:
        request = numbered[1]
        messages = [
            {"role": "system", "content": _CHOOSE if request.gold else _CORRECT},
            {"role": "user", "content": request.text},
        ]
        try:
            return parse_reply(request, await self._client.ask(messages))
        except NoReply as error:
            return JudgeReply(None, str(error))


def parse_reply(request: JudgeRequest, reply: Reply) -> JudgeReply:
    """Return a score for exactly the requested JSON, None for anything else."""
    text = reply.text.strip()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return JudgeReply(None, text)
    name, kind = ("answer", str) if request.gold else ("correct", bool)
    if not isinstance(value, dict) or set(value) != {name} or not isinstance(value[name], kind):
        return JudgeReply(None, text)
    decision = value[name]
    return JudgeReply(float(decision == request.gold if request.gold else decision), text)

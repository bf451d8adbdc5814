"""A judge for what rules can't decide: any OpenAI-compatible server, read strictly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from storm.benchmarks.benchmark import JudgeRequest, Opinion
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
    """Opinions of one model. They are cached under `folder` by their request, and asked for once.

    The key comes from the environment (`config.api_key_env`) and is written nowhere. A server
    that can't be used raises `StageFailed`; what was answered until then stays in the cache.
    """

    def __init__(self, config: ChatConfig, folder: Path):
        self._client = ChatClient(config, folder / "answers", folder / "ledger.jsonl")

    @property
    def name(self) -> str:
        return self._client.config.model

    def ask(self, requests: Sequence[JudgeRequest]) -> list[Opinion]:
        opinions: dict[int, Opinion] = {}
        for place, opinion in self._client.each(self._opinion_on, enumerate(requests)):
            opinions[place[0]] = opinion
        return [opinions[place] for place in range(len(requests))]

    async def _opinion_on(self, numbered: tuple[int, JudgeRequest]) -> Opinion:
        request = numbered[1]
        messages = [
            {"role": "system", "content": _CHOOSE if request.gold else _CORRECT},
            {"role": "user", "content": request.text},
        ]
        try:
            return read_opinion(request, await self._client.ask(messages))
        except NoReply as error:
            return Opinion(None, str(error))


def read_opinion(request: JudgeRequest, reply: Reply) -> Opinion:
    """A score from exactly the JSON that was asked for; None from anything else."""
    said = reply.text.strip()
    try:
        value = json.loads(said)
    except (ValueError, RecursionError):
        return Opinion(None, said)
    name, kind = ("answer", str) if request.gold else ("correct", bool)
    if not isinstance(value, dict) or set(value) != {name} or not isinstance(value[name], kind):
        return Opinion(None, said)
    verdict = value[name]
    return Opinion(float(verdict == request.gold if request.gold else verdict), said)

"""Chat clients of scripted servers, and scripts that reply."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripted_server import Act, Script, ScriptedServer, says

from storm.llm_client import ChatClient, ChatConfig, NoReply, Reply

KEY = "sk-canary-8f2e61d0"


def client_for(server: ScriptedServer, folder: Path, **config: Any) -> ChatClient:
    chat = ChatConfig(base_url=server.url, **{"model": "m", "api_key_env": "CHAT_KEY", **config})
    return ChatClient(chat, folder / "response_cache", folder / "usage.jsonl")


def ask_all(client: ChatClient, questions: Iterable[str]) -> dict[str, Reply | NoReply]:
    async def ask(question: str) -> Reply | NoReply:
        try:
            return await client.ask([{"role": "user", "content": question}])
        except NoReply as e:
            return e

    return dict(client.each(ask, questions))


def question_of(body: dict[str, Any]) -> str:
    return body["messages"][-1]["content"]


def echo(body: dict[str, Any], seen: int) -> Act:
    return Act(says(question_of(body)))


def first(bad: Act, times: int = 1) -> Script:
    """A script that is bad so many times, then echoes."""
    return lambda body, seen: bad if seen <= times else echo(body, seen)

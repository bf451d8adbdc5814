"""The client: every question its own answer, many in flight, nothing asked twice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from chat_clients import KEY, ask_all, client_for, echo, question_of
from scripted_server import Act, ScriptedServer, says

from storm.errors import StageFailed
from storm.llm_client import Reply


@pytest.mark.integration
def test_every_question_gets_its_own_answer_and_64_are_in_flight(tmp_path: Path) -> None:
    questions = [f"q{i}" for i in range(130)]
    taken: list[str] = []

    def slow_echo(body: dict[str, Any], seen: int) -> Act:
        return Act(says(question_of(body)), delay=1)

    with ScriptedServer(slow_echo) as server:
        client = client_for(server, tmp_path)
        replies = ask_all(client, (taken.append(q) or q for q in questions))
        assert {q: r.text for q, r in replies.items() if isinstance(r, Reply)} == {
            q: q for q in questions
        }
        assert server.most_flying == 64
        assert set(server.keys) == {f"Bearer {KEY}"}
    assert taken == questions
    total = client.usage.total()
    assert total == {"requests": 130, "answers": 130, "tokens_in": 1300, "tokens_out": 650}


def test_items_are_taken_when_they_are_begun(tmp_path: Path) -> None:
    taken: list[str] = []
    with ScriptedServer(echo) as server:
        client = client_for(server, tmp_path, concurrency=4)

        async def ask(question: str) -> Reply:
            return await client.ask([{"role": "user", "content": question}])

        questions = (taken.append(str(i)) or str(i) for i in range(40))
        for done, _ in enumerate(client.each(ask, questions)):
            assert len(taken) <= done + 4


def test_equal_questions_at_once_are_asked_once(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act(says("x"), delay=0.05)) as server:
        client = client_for(server, tmp_path)

        async def ask(n: int) -> str:
            return (await client.ask([{"role": "user", "content": "same"}])).text

        assert [text for _, text in client.each(ask, range(10))] == ["x"] * 10
        assert server.requests == 1


def test_what_was_sent_is_waited_for_when_all_stops(tmp_path: Path) -> None:
    def mostly_slow(body: dict[str, Any], seen: int) -> Act:
        at_once = question_of(body) == "bad"
        return Act("no", status=401, delay=0.1) if at_once else Act(says("paid"), delay=0.5)

    with ScriptedServer(mostly_slow) as server:
        client = client_for(server, tmp_path, concurrency=3)
        with pytest.raises(StageFailed, match="401"):
            ask_all(client, ["a", "bad", "b", "c"])
        assert client.usage.total()["answers"] == 2
        assert server.requests == 3


def test_who_waits_for_a_next_try_is_not_waited_for_when_all_stops(tmp_path: Path) -> None:
    def limited_or_bad(body: dict[str, Any], seen: int) -> Act:
        if question_of(body) == "bad":
            return Act("no", status=401, delay=0.3)
        return Act("later", status=429, headers={"Retry-After": "60"})

    with ScriptedServer(limited_or_bad) as server:
        began = time.monotonic()
        with pytest.raises(StageFailed, match="401"):
            ask_all(client_for(server, tmp_path, concurrency=2), ["limited", "bad"])
    assert time.monotonic() - began < 30

"""The circuit breaker: a dead server stops everything before a request is given up."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_clients import ask_all, client_for, echo
from scripted_server import Act, ScriptedServer

from storm.errors import StageFailed
from storm.llm_client import NoReply
from storm.llm_client.breaker import CircuitBreaker


def test_a_dead_server_stops_all_before_any_is_given_up(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        client = client_for(server, tmp_path, breaker=8)
    given_up: list[NoReply] = []

    async def ask(question: str) -> None:
        try:
            await client.ask([{"role": "user", "content": question}])
        except NoReply as e:
            given_up.append(e)

    with pytest.raises(StageFailed, match=r"8 requests .*connection"):
        list(client.each(ask, [f"q{i}" for i in range(50)]))
    assert given_up == []


def test_a_server_that_refuses_everything_stops_all(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act("no images here", status=400)) as server:
        client = client_for(server, tmp_path, breaker=5, concurrency=1)
        with pytest.raises(StageFailed, match=r"5 requests in a row.*no images here"):
            ask_all(client, [f"q{i}" for i in range(50)])
        assert server.requests == 5


def test_an_answer_closes_it_again() -> None:
    breaker = CircuitBreaker(2, "m at host")
    for _ in range(3):
        breaker.record_failure("timeout")
        breaker.record_answer()
    breaker.record_failure("timeout")
    with pytest.raises(StageFailed, match=r"m at host: 2 requests.*reset"):
        breaker.record_failure("reset")

"""The chat client in bad weather, against a server that does what the test says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from scripted_server import Act, Script, ScriptedServer, says

from storm.errors import ConfigError, StageFailed
from storm.llm_client import ChatClient, ChatConfig, Ledger, NoReply, Reply

KEY = "sk-canary-8f2e61d0"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_KEY", KEY)


def client_for(server: ScriptedServer, folder: Path, **config: Any) -> ChatClient:
    fast = {"backoff_seconds": 0.01, "deadline_seconds": 60, "api_key_env": "CHAT_KEY"}
    chat = ChatConfig(base_url=server.url, model="m", **{**fast, **config})
    return ChatClient(chat, folder / "answers", folder / "ledger")


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
    return lambda body, seen: bad if seen <= times else echo(body, seen)


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
    total = client.ledger.total()
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


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        ask_all(client_for(server, tmp_path), ["a", "b"])
        again = client_for(server, tmp_path)
        assert set(ask_all(again, ["a", "b", "c"])) == {"a", "b", "c"}
        assert server.requests == 3
        assert again.ledger.total()["from_cache"] == 2
        ask_all(client_for(server, tmp_path, seed=1), ["a"])
        ask_all(client_for(server, tmp_path, revision="of May"), ["a"])
        assert server.requests == 5


def test_equal_questions_at_once_are_asked_once(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act(says("x"), delay=0.05)) as server:
        client = client_for(server, tmp_path)

        async def ask(n: int) -> str:
            return (await client.ask([{"role": "user", "content": "same"}])).text

        assert [text for _, text in client.each(ask, range(10))] == ["x"] * 10
        assert server.requests == 1


def test_a_damaged_answer_is_asked_again(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        ask_all(client_for(server, tmp_path), ["long enough"])
        (held,) = (tmp_path / "answers").rglob("*.json")
        good = held.read_bytes()
        for bad in (good[:-9], good.replace(b"enough", b"enougn"), b"", b"[]"):
            held.write_bytes(bad)
            (reply,) = ask_all(client_for(server, tmp_path), ["long enough"]).values()
            assert reply == Reply("long enough", "stop", 10, 5)
            assert held.read_bytes() == good
        assert server.requests == 5


@pytest.mark.integration
@pytest.mark.parametrize(
    "bad",
    [
        *(Act("oops", status=s) for s in (408, 500, 503)),
        Act("slow down", status=429),
        Act("slow down", status=429, headers={"Retry-After": "0.05"}),
        Act("slow down", status=429, headers={"Retry-After": "nonsense"}),
        Act(reset=True),
        Act(hang=True),
        Act(says("late"), drip=0.02),
        Act(""),
        Act("<html>gateway</html>"),
        Act('{"choices": []}'),
        Act("[" * 100_000),
        Act(b"\xff\xfe\x00"),
        Act(says("x").replace('"x"', "[1]")),
        Act(says("cut in half")[:40], headers={"Content-Length": "4000"}, delay=0.0),
    ],
    ids=lambda act: f"{act.status}-{act.body[:12]!r}-{act.hang or act.reset or act.drip}",
)
def test_what_passes_is_tried_again(tmp_path: Path, bad: Act) -> None:
    times = 1 if bad.hang or bad.drip else 2
    with ScriptedServer(first(bad, times)) as server:
        (reply,) = ask_all(client_for(server, tmp_path, request_seconds=2), ["q"]).values()
        assert isinstance(reply, Reply), reply
        assert reply.text == "q"
        assert server.requests == times + 1


def test_what_does_not_pass_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    def one_bad(body: dict[str, Any], seen: int) -> Act:
        return Act("boom", 500) if question_of(body) == "bad" else echo(body, seen)

    with ScriptedServer(one_bad) as server:
        replies = ask_all(client_for(server, tmp_path, attempts=4), ["a", "bad", "b"])
        bad = replies.pop("bad")
        assert isinstance(bad, NoReply)
        assert bad.reason == "http_500"
        assert "'boom'; 4 tries" in bad.detail
        assert all(isinstance(r, Reply) for r in replies.values())
        assert server.requests == 6


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (Act('{"error": "image too large"}', status=400), "http_400"),
        (Act("x", status=413), "http_413"),
        (Act(says("m" * 1_000_000)), "too_large"),
    ],
)
def test_what_is_the_requests_own_fault_is_not_tried_again(
    tmp_path: Path, act: Act, reason: str
) -> None:
    with ScriptedServer(lambda body, seen: act) as server:
        (reply,) = ask_all(client_for(server, tmp_path), ["q"]).values()
        assert isinstance(reply, NoReply)
        assert reply.reason == reason
        assert len(reply.detail) < 1000
        assert server.requests == 1


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, f'{{"error": "Incorrect API key provided: {KEY}"}}', r"valid key into \$CHAT_KEY"),
        (403, "no", r"key in \$CHAT_KEY"),
        (404, '{"error": "no model m"}', "correct base_url"),
        (402, "", "pay"),
        (429, '{"error": {"code": "insufficient_quota"}}', "pay"),
        (307, "", "redirects"),
    ],
)
def test_what_no_request_can_mend_stops_at_once_in_one_line(
    tmp_path: Path, status: int, body: str, remedy: str
) -> None:
    with ScriptedServer(lambda asked, seen: Act(body, status=status, delay=0.05)) as server:
        client = client_for(server, tmp_path, concurrency=4)
        with pytest.raises(StageFailed, match=remedy) as caught:
            ask_all(client, [f"q{i}" for i in range(50)])
        assert server.requests <= 4
    assert "\n" not in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_dead_server_stops_all_before_any_is_given_up(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        client = client_for(server, tmp_path, breaker=8)
    given_up: list[NoReply] = []

    async def ask(question: str) -> None:
        try:
            await client.ask([{"role": "user", "content": question}])
        except NoReply as e:
            given_up.append(e)

    with pytest.raises(StageFailed, match=r"8 requests in a row get no answer.*connection"):
        list(client.each(ask, [f"q{i}" for i in range(50)]))
    assert given_up == []


def test_a_server_that_refuses_everything_stops_all(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act("no images here", status=400)) as server:
        client = client_for(server, tmp_path, breaker=5, concurrency=1)
        with pytest.raises(StageFailed, match=r"5 requests in a row.*no images here"):
            ask_all(client, [f"q{i}" for i in range(50)])
        assert server.requests == 5


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_holds_for_all(tmp_path: Path, form: str) -> None:
    told: list[float] = []
    came: list[float] = []

    def limit(body: dict[str, Any], seen: int) -> Act:
        came.append(time.monotonic())
        if told:
            return echo(body, seen)
        told.append(time.monotonic())
        day = "Wed, 21 Oct 2015"
        dated = {"Date": f"{day} 07:28:00 GMT", "Retry-After": f"{day} 07:28:01 GMT"}
        return Act("wait", 429, {"Retry-After": "1"} if form == "seconds" else dated)

    with ScriptedServer(limit) as server:
        replies = ask_all(client_for(server, tmp_path, concurrency=1), ["a", "b"])
        assert all(isinstance(r, Reply) for r in replies.values())
    assert came[1] - told[0] >= 0.99


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {}])
def test_a_limit_that_outlasts_the_deadline_stops_and_blames_no_request(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    with ScriptedServer(lambda body, seen: Act("later", status=429, headers=headers)) as server:
        client = client_for(server, tmp_path, deadline_seconds=0.5, attempts=2)
        with pytest.raises(StageFailed, match=r"deadline_seconds = 0.5: lower concurrency"):
            ask_all(client, ["a", "b"])


def test_what_was_sent_is_waited_for_when_all_stops(tmp_path: Path) -> None:
    def mostly_slow(body: dict[str, Any], seen: int) -> Act:
        at_once = question_of(body) == "bad"
        return Act("no", status=401, delay=0.1) if at_once else Act(says("paid"), delay=0.5)

    with ScriptedServer(mostly_slow) as server:
        client = client_for(server, tmp_path, concurrency=3)
        with pytest.raises(StageFailed, match="401"):
            ask_all(client, ["a", "bad", "b", "c"])
        assert client.ledger.total()["answers"] == 2
        assert server.requests == 3


def test_limits_hold_over_restarts(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        for raised, sent in ((5, 5), (5, 5), (8, 8)):
            with pytest.raises(StageFailed, match="max_requests"):
                ask_all(client_for(server, tmp_path, max_requests=raised), map(str, range(20)))
            assert server.requests == sent
        price = {"usd_per_million_tokens_in": 1e5, "usd_per_million_tokens_out": 0}  # 1 USD each
        with pytest.raises(StageFailed, match="max_cost_usd = 10"):
            ask_all(
                client_for(server, tmp_path, max_cost_usd=10, concurrency=1, **price),
                map(str, range(20)),
            )
        ledger = Ledger(tmp_path / "ledger")
        assert ledger.facts(client_for(server, tmp_path, **price).config)["cost_usd"] == 10.0


def test_a_torn_line_of_the_ledger_costs_itself_alone(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l")
    ledger.add(requests=1)
    with open(ledger.path, "ab") as file:
        file.write(b'\n{"requests":1,"tok')
    assert ledger.total() == {"requests": 1}
    Ledger(ledger.path).add(requests=2, tokens_in=3)
    assert ledger.total() == {"requests": 3, "tokens_in": 3}
    assert Ledger(ledger.path).total() == ledger.total()


def test_the_key_goes_nowhere_but_to_the_server(tmp_path: Path) -> None:
    def gossip(body: dict[str, Any], seen: int) -> Act:
        text = f"your key is {KEY}"
        return Act(says(text)) if question_of(body) == "tell" else Act(text, status=400)

    with ScriptedServer(gossip) as server:
        client = client_for(server, tmp_path)
        told, refused = ask_all(client, ["tell", "other"]).values()
    shown = [str(told), str(refused), repr(client.config), str(client.config.model_dump())]
    shown += [p.read_text() for p in tmp_path.rglob("*") if p.is_file()]
    assert KEY not in "".join(shown)
    assert "your key is ***" in shown[0] + shown[1]


def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(os.environ, "CHAT_KEY", "sk-täst")
    with ScriptedServer(echo) as server:
        with pytest.raises(ConfigError, match=r"\$CHAT_KEY") as caught:
            client_for(server, tmp_path)
        assert "täst" not in str(caught.value)
        monkeypatch.delenv("CHAT_KEY")
        ask_all(client_for(server, tmp_path), ["q"])
        assert server.keys == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "https://user:secret@host/v1"},
        {"base_url": "https://host/v1?api-key=secret"},
        {"base_url": "host/v1"},
        {"max_cost_usd": 1.0},
    ],
)
def test_wrong_configurations(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ChatConfig(**{"base_url": "http://host/v1", "model": "m", **wrong})


def test_where_and_how_patiently_is_no_identity() -> None:
    one = ChatConfig(base_url="http://a/v1", model="m")
    other = ChatConfig(base_url="https://b/v1/", model="m", concurrency=1, max_requests=3)
    assert one.identity() == other.identity()
    assert one.identity() != one.model_copy(update={"temperature": 0.5}).identity()

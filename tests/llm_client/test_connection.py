"""Bad weather, against a server that does what the test says."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from chat_clients import KEY, ask_all, client_for, echo, first, question_of
from scripted_server import Act, ScriptedServer, says

from storm.errors import ConfigError, StageFailed
from storm.llm_client import NoReply, Reply


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


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(tmp_path: Path, form: str) -> None:
    limited: list[float] = []
    came: list[float] = []

    def limit(body: dict[str, Any], seen: int) -> Act:
        came.append(time.monotonic())
        if limited:
            return echo(body, seen)
        limited.append(time.monotonic())
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
        return Act("wait", 429, {"Retry-After": "1" if form == "seconds" else date})

    with ScriptedServer(limit) as server:
        replies = ask_all(client_for(server, tmp_path, concurrency=1), ["a", "b"])
        assert all(isinstance(r, Reply) for r in replies.values())
    assert came[1] - limited[0] >= 0.9


@pytest.mark.parametrize("headers", [{"Retry-After": "3600"}, {}])
def test_a_limit_that_outlasts_all_tries_stops_and_blames_no_request(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    with ScriptedServer(lambda body, seen: Act("later", status=429, headers=headers)) as server:
        client = client_for(server, tmp_path, attempts=2)
        with pytest.raises(StageFailed, match=r"429.*lower concurrency"):
            ask_all(client, ["a", "b"])


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


def test_what_the_environment_says_about_openai_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CHAT_KEY")
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, KEY)
    with ScriptedServer(echo) as server:
        ask_all(client_for(server, tmp_path), ["q"])
        assert server.requests == 1
        assert not [head for head in server.heads if KEY in head]

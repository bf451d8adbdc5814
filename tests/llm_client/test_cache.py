"""The response cache: nothing is asked twice, and a damaged reply is no reply."""

from __future__ import annotations

from pathlib import Path

from chat_clients import ask_all, client_for, echo
from scripted_server import ScriptedServer

from storm.llm_client import Reply


def test_nothing_is_asked_twice(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        ask_all(client_for(server, tmp_path), ["a", "b"])
        again = client_for(server, tmp_path)
        assert set(ask_all(again, ["a", "b", "c"])) == {"a", "b", "c"}
        assert server.requests == 3
        assert again.usage.total()["from_cache"] == 2
        ask_all(client_for(server, tmp_path, seed=1), ["a"])
        ask_all(client_for(server, tmp_path, revision="of May"), ["a"])
        assert server.requests == 5


def test_a_damaged_answer_is_asked_again(tmp_path: Path) -> None:
    with ScriptedServer(echo) as server:
        ask_all(client_for(server, tmp_path), ["long enough"])
        (held,) = (tmp_path / "response_cache").rglob("*.json")
        good = held.read_bytes()
        for bad in (good[:-9], good.replace(b"enough", b"enougn"), b"", b"[]"):
            held.write_bytes(bad)
            (reply,) = ask_all(client_for(server, tmp_path), ["long enough"]).values()
            assert reply == Reply("long enough", "stop", 10, 5)
            assert held.read_bytes() == good
        assert server.requests == 5

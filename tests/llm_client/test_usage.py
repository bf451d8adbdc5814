"""The usage log and the budget it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from chat_clients import ask_all, client_for, echo
from scripted_server import Act, ScriptedServer

from storm.errors import StageFailed
from storm.llm_client import UsageLog


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
        usage = UsageLog(tmp_path / "usage.jsonl")
        assert usage.facts(client_for(server, tmp_path, **price).config)["cost_usd"] == 10.0


def test_a_torn_line_of_the_usage_log_loses_only_itself(tmp_path: Path) -> None:
    usage = UsageLog(tmp_path / "l")
    usage.add(requests=1)
    with open(usage.path, "ab") as file:
        file.write(b'\n{"requests":1,"tok')
    assert usage.total() == {"requests": 1}
    UsageLog(usage.path).add(requests=2, tokens_in=3)
    assert usage.total() == {"requests": 3, "tokens_in": 3}
    assert UsageLog(usage.path).total() == usage.total()


def test_every_try_counts_against_the_limit(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act("oops", status=500)) as server:
        with pytest.raises(StageFailed, match="max_requests"):
            ask_all(client_for(server, tmp_path, max_requests=3), ["q"])
        assert server.requests == 3

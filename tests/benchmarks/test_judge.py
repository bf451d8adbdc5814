"""The judge: asked for what no rule decides, once, and read strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.judge import ChatJudge, parse_reply
from storm.benchmarks.scoring import aggregate, score
from storm.benchmarks.types import AnsweredQuestion, JudgeRequest
from storm.cli import main
from storm.errors import StageFailed
from storm.llm_client import ChatConfig, Reply
from tests.benchmarks.docs import doc_of
from tests.support.scripted_server import Act, ScriptedServer, says

CORRECT = JudgeRequest("?")
CHOOSE = JudgeRequest("?", gold="B")


@pytest.mark.parametrize(
    ("request_", "said", "expected"),
    [
        (CORRECT, '{"correct": true}', 1),
        (CORRECT, ' {"correct": false}\n', 0),
        (CORRECT, "Correct", None),
        (CORRECT, '{"correct": "true"}', None),
        (CORRECT, '{"correct": 1}', None),
        (CORRECT, '{"correct": true, "why": ""}', None),
        (CORRECT, '```json\n{"correct": true}\n```', None),
        (CORRECT, "[" * 100_000, None),
        (CORRECT, "", None),
        (CHOOSE, '{"answer": "B"}', 1),
        (CHOOSE, '{"answer": "none"}', 0),
        (CHOOSE, '{"answer": "B. red"}', 0),
        (CHOOSE, '{"correct": true}', None),
    ],
)
def test_only_what_was_asked_for_counts(
    request_: JudgeRequest, said: str, expected: float | None
) -> None:
    assert parse_reply(request_, Reply(said)).score == expected


def answered() -> list[AnsweredQuestion]:
    benchmark = get_benchmark("tempcompass")
    said = {"multi-choice": "It is red", "yes_no": "yes", "captioning": "A red ball rolls."}
    return [
        AnsweredQuestion(benchmark.dataset.question(t, t, doc_of(t)), text)
        for t, text in said.items()
    ]


def judge(server: ScriptedServer, folder: Path, **more: Any) -> ChatJudge:
    settings = {"base_url": server.url, "model": "judge-1", **more}
    return ChatJudge(ChatConfig.model_validate(settings), folder)


def reply(body: dict[str, Any], seen: int) -> Act:
    system, asked = (message["content"] for message in body["messages"])
    if seen == 1:
        return Act(status=429, headers={"Retry-After": "0.05"})
    if "Description" in asked:
        assert "multiple-choice" in system
        return Act(says('{"answer": "A"}'))
    assert "Correct answer: A. red\n\nAnswer to judge: It is red" in asked
    return Act(says('{"correct": true}'))


def test_a_judge_decides_what_rules_cannot_and_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-secret")
    benchmark = get_benchmark("tempcompass")
    with ScriptedServer(reply) as server:
        run = score(benchmark, answered(), judge=judge(server, tmp_path))
        asked = server.requests
        again = score(benchmark, answered(), judge=judge(server, tmp_path))
        assert (asked, server.requests) == (4, 4)
    assert set(server.keys) == {"Bearer sk-secret-secret"}
    assert [one.score for one in run.scored] == [one.score for one in again.scored] == [1, 1, 1]
    assert [one.judge_text for one in run.scored] == ['{"correct": true}', "", '{"answer": "A"}']
    found = aggregate(run)
    assert (run.judge, found.match_rate, found.not_scored) == ("judge-1", 0.5, 0)
    assert found.headline.n == 2, "captioning is no part of the headline"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(b"secret" in path.read_bytes() for path in files)


def test_a_useless_reply_leaves_the_rules_verdict(tmp_path: Path) -> None:
    with ScriptedServer(lambda body, seen: Act(says("It depends."))) as server:
        run = score(get_benchmark("tempcompass"), answered(), judge=judge(server, tmp_path))
    assert [one.score for one in run.scored] == [0, 1, None]
    assert run.scored[0].judge_text == "It depends."


def test_a_server_that_refuses_the_key_stops_it(tmp_path: Path) -> None:
    with (
        ScriptedServer(lambda body, seen: Act("no", status=401)) as server,
        pytest.raises(StageFailed, match="401"),
    ):
        score(get_benchmark("tempcompass"), answered(), judge=judge(server, tmp_path))


def test_the_command_asks_the_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"id": "1", "doc": doc_of("mmvu_open"), "response": "DFS"}))
    options = ["--judge-model", "j", "--judge-cache", str(tmp_path / "cache")]
    with (
        ScriptedServer(lambda body, seen: Act(says('{"correct": true}'))) as server,
        pytest.raises(SystemExit),
    ):
        main(["score", "mmvu", str(path), "--judge-url", server.url, *options])
    first, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["score"], first["judge"]) == (1, '{"correct": true}')
    assert (found["judge"], found["not_scored"]) == ("j", 0)
    assert found["breakdown"]["all"]["all"]["accuracy"] == 1

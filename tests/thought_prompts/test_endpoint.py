"""The teacher behind a server: what it sends, what becomes of bad weather, what a restart costs."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from scripted_server import Act, ScriptedServer, says
from teacher_driver import COUNT, make, stage_for
from teacher_requests import teacher_request, text_of, valid_reply

from storm.artifacts.store import Store
from storm.errors import StageFailed
from storm.llm_client import ChatConfig
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherSetup
from storm.thought_prompts.endpoint import EndpointTeacher
from storm.thought_prompts.instruction import tag_of

KEY = "sk-canary-52c0a9e7"


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)


def chat_for(server: ScriptedServer, **config: Any) -> ChatConfig:
    quick = {"request_seconds": 30, "api_key_env": "TEACHER_KEY"}
    return ChatConfig(base_url=server.url, **{"model": "m", **quick, **config})


def write(server: ScriptedServer, folder: Path, *names: str, **config: Any) -> dict[str, Any]:
    chat = chat_for(server, **config.pop("chat", {}))
    setup = TeacherSetup("cpu", folder / "cache", folder / "usage")
    teacher = EndpointTeacher.Config(chat=chat, **config).build(setup)
    requests = [teacher_request(name) for name in names or ("q0",)]
    return {outcome.id: outcome for outcome in teacher.write(requests)}


def good(body: dict[str, Any], seen: int) -> Act:
    return Act(says(valid_reply(body), tokens=(1000, 100)))


def test_keyframes_go_as_pictures_between_their_times(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []
    with ScriptedServer(lambda body, seen: bodies.append(body) or good(body, seen)) as server:
        (row,) = write(server, tmp_path).values()
        write(server, tmp_path, "q1", response_format="json_schema")
    assert isinstance(row, ThoughtPrompt)
    assert row.prompt.startswith("A ball rolls, q-")
    system, user = bodies[0]["messages"]
    assert isinstance(system["content"], str)
    kinds = [part["type"] for part in user["content"]]
    assert kinds == ["text", *["text", "image_url"] * 3, "text"]
    urls = [p["image_url"]["url"] for p in user["content"] if p["type"] == "image_url"]
    images = [base64.b64decode(url.removeprefix("data:image/jpeg;base64,")) for url in urls]
    assert images == list(teacher_request().keyframes.images)
    assert (bodies[0]["model"], bodies[0]["temperature"], bodies[0]["seed"]) == ("m", 0.0, 0)
    assert "response_format" not in bodies[0]
    schema = bodies[1]["response_format"]["json_schema"]["schema"]
    assert set(schema["required"]) == {"steps", "video_prompt"}


@pytest.mark.parametrize(
    ("act", "reason", "asked"),
    [
        (Act(says("A ball rolls.")), "bad_reply", 2),
        (Act(says("")), "bad_reply", 2),
        (Act(says(None)), "bad_reply", 2),
        (Act(says('{"steps": ["a"]}')), "bad_reply", 2),
        (Act(says('{"steps": ["a"], "vid', "length")), "cut_reply", 2),
        (Act(says('{"id": "q-0", "steps": ["a"], "video_prompt": "b"}')), "wrong_id", 2),
        (Act(says(None, refusal="I can't help with that.")), "refused", 1),
        (Act(says(None, "content_filter")), "refused", 1),
        (Act(says("m" * 1_000_000)), "too_large", 1),
        (Act("boom", status=500), "http_500", 2),
        (Act(status=503), "http_503", 2),
        (Act(reset=True), "connection", 2),
        (Act(""), "not_json", 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_repeated_failures_of_one_item_quarantine_it(
    tmp_path: Path, act: Act, reason: str, asked: int
) -> None:
    tag = tag_of(teacher_request("bad").sample)
    asked_for_bad: list[int] = []

    def script(body: dict[str, Any], seen: int) -> Act:
        if tag not in text_of(body):
            return good(body, seen)
        asked_for_bad.append(seen)
        return act

    with ScriptedServer(script) as server:
        outcomes = write(server, tmp_path, "q0", "bad", "q1", chat={"attempts": 2})
    rejected = outcomes.pop("bad")
    assert isinstance(rejected, Rejected)
    assert rejected.reason == reason
    assert all(isinstance(o, ThoughtPrompt) for o in outcomes.values())
    assert len(asked_for_bad) == asked
    assert len(rejected.detail) < 1300
    if reason in ("bad_reply", "cut_reply", "wrong_id"):
        content = json.loads(act.body)["choices"][0]["message"]["content"] or ""
        assert repr(content) in rejected.detail


def test_a_bad_reply_is_mended_by_asking_once_more(tmp_path: Path) -> None:
    def careless(body: dict[str, Any], seen: int) -> Act:
        return Act(says("Hm.")) if "can't be used" not in text_of(body) else good(body, seen)

    with ScriptedServer(careless) as server:
        (row,) = write(server, tmp_path).values()
        assert isinstance(row, ThoughtPrompt)
        assert server.requests == 2
        assert write(server, tmp_path) == {"q0": row}
        assert server.requests == 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


def files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def answered(root: Path) -> list[Path]:
    return [path for path in files(root / "response_cache") if path.suffix == ".json"]


@pytest.mark.integration
def test_a_stage_with_a_bad_key_stops_and_goes_on_with_a_good_one(root: Path) -> None:
    def gossip(body: dict[str, Any], seen: int) -> Act:
        return Act(f"Incorrect API key provided: {KEY}", status=401)

    def careless(body: dict[str, Any], seen: int) -> Act:
        asks_q7_first = "number q7?" in text_of(body) and "can't be used" not in text_of(body)
        said = (
            says(f"my key is {KEY}")
            if asks_q7_first
            else says(valid_reply(body), tokens=(1000, 100))
        )
        return Act(said, delay=0.5)

    with ScriptedServer(gossip) as server:
        chat = chat_for(server, model="keys", usd_per_million_tokens_in=2.0)
        with pytest.raises(StageFailed, match=r"401.*put a valid key into \$TEACHER_KEY"):
            make(root, chat)
        assert server.requests <= 64
        refused = server.requests
        server.script = careless
        make(root, chat)
        assert server.most_flying >= 32
        manifest = stage_for(chat).artifact(Store(root)).manifest()
        assert manifest["quarantined"] == []
        assert manifest["rows"] == COUNT
        assert manifest["extra"]["requests"] == server.requests
        assert manifest["extra"]["answers"] == server.requests - refused
        tokens = manifest["extra"]["tokens_in"]
        assert tokens >= 1000 * COUNT
        assert manifest["extra"]["cost_usd"] == pytest.approx(tokens * 2e-6)
        assert set(server.keys) == {f"Bearer {KEY}"}
    assert not [p for p in files(root) if KEY.encode() in p.read_bytes()]
    assert [p for p in files(root / "response_cache") if b"my key is ***" in p.read_bytes()]


@pytest.mark.integration
def test_a_restart_after_a_kill_sends_nothing_again_that_was_answered(root: Path) -> None:
    with ScriptedServer(lambda body, seen: Act(says(valid_reply(body)), delay=0.2)) as server:
        chat = chat_for(server, model="killed")
        call = "import sys, teacher_driver; teacher_driver.make_from_json(*sys.argv[1:])"
        command = [sys.executable, "-c", call, str(root), chat.model_dump_json()]
        driver = subprocess.Popen(command, start_new_session=True)
        try:
            deadline = time.monotonic() + 120
            while len(answered(root)) < 40:
                assert time.monotonic() < deadline, "no answers"
                assert driver.poll() is None
                time.sleep(0.02)
        finally:
            children = psutil.Process(driver.pid).children(recursive=True)
            driver.kill()
            driver.wait()
        psutil.wait_procs(children, timeout=30)  # they follow it
        time.sleep(1)  # what they had sent is read
        held = answered(root)
        sent = server.requests
        assert len(held) >= 40
        make(root, chat)
        manifest = stage_for(chat).artifact(Store(root)).manifest()
        assert (manifest["rows"], manifest["quarantined"]) == (COUNT, [])
        assert server.requests == COUNT + sent - len(held)  # those in flight are sent again
        assert sent - len(held) <= 64
        asked_twice = sum(times - 1 for times in server.seen.values())
        assert asked_twice == sent - len(held)
        # a request counts as spent before it goes out: the kill came between for some
        assert 0 <= manifest["extra"]["requests"] - server.requests <= 64
        assert 1 <= server.most_flying <= 64

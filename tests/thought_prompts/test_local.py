"""The local teacher: batches, memory, missing checkpoints, and the same model behind a real server.

Small random models can't write JSON. Where a thought is needed, the model is one whose weights
were set to say it (tests/support/fixed_text_model.py); everything around the weights is real.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fixed_text_model import TINY, write_fixed_text_model
from teacher_requests import NO_SETUP, teacher_request

from storm.artifacts.stage import canonical
from storm.errors import ConfigError
from storm.llm_client import ChatConfig, Reply
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import TeacherSetup
from storm.thought_prompts.endpoint import EndpointTeacher
from storm.thought_prompts.instruction import conversation
from storm.thought_prompts.local import PretrainedTeacher, TransformersTeacher

SAID = '{"steps": ["the cup moves to the left"], "video_prompt": "A red cup slides."}'
REQUESTS = [teacher_request(f"q{n}", question="why " * (1 + 9 * n), frames=1 + n) for n in range(3)]


@pytest.fixture(scope="module")
def fixed_text_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_fixed_text_model(tmp_path_factory.mktemp("fixed_text_model"), SAID)


def local(model: Any, **config: Any) -> TransformersTeacher.Config:
    small = {"dtype": "float32", "max_new_tokens": 6, "batch": 3}
    return TransformersTeacher.Config(model=model, **{**small, **config})


@pytest.fixture(scope="module")
def random_teacher() -> TransformersTeacher:
    return local(TINY).build(NO_SETUP)


def test_a_batch_writes_what_each_request_does(random_teacher: TransformersTeacher) -> None:
    asked = [conversation(request, False, 16) for request in REQUESTS]
    replies = random_teacher.reply(asked)
    assert replies == [random_teacher.reply([one])[0] for one in asked]
    assert all(isinstance(r, Reply) and r.finish == "length" for r in replies)


def test_it_sees_the_pictures(random_teacher: TransformersTeacher) -> None:
    seen: list[torch.Tensor] = []
    hook = random_teacher.model.model.visual.register_forward_hook(
        lambda module, inputs, output: seen.append(inputs[0])
    )
    random_teacher.reply([conversation(REQUESTS[2], False, 16)])
    hook.remove()
    patches = (56 // 14) ** 2
    assert seen[0].shape[0] == 3 * patches
    brightness = seen[0].reshape(3, -1).mean(1)
    assert brightness[0] < brightness[1] < brightness[2]


def test_bad_replies_are_asked_again_then_quarantined(
    random_teacher: TransformersTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter([[Reply("hm"), Reply(SAID), Reply("")], [Reply(SAID), Reply("{")]])
    monkeypatch.setattr(random_teacher, "reply", lambda conversations: next(said))
    outcomes = {o.id: o for o in random_teacher.write(REQUESTS)}
    assert isinstance(outcomes["q0"], ThoughtPrompt)
    assert isinstance(outcomes["q1"], ThoughtPrompt)
    assert isinstance(outcomes["q2"], Rejected)
    assert outcomes["q2"].reason == "bad_reply"


def test_when_memory_runs_out_the_batch_is_halved(
    random_teacher: TransformersTeacher, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def tight(conversations: list[Any]) -> Iterator[Reply]:
        sizes.append(len(conversations))
        if len(conversations) > 1 or "why why" not in conversations[0][1].parts[-1]:
            raise torch.OutOfMemoryError("no room")
        return iter([Reply(SAID)])

    monkeypatch.setattr(random_teacher, "_generate", tight)
    outcomes = {o.id: o for o in random_teacher.write(REQUESTS)}
    assert sizes == [3, 1, 2, 1, 1]
    assert isinstance(outcomes["q1"], ThoughtPrompt)
    assert isinstance(outcomes["q2"], ThoughtPrompt)
    assert isinstance(outcomes["q0"], Rejected)
    assert outcomes["q0"].reason == "out_of_memory"


@pytest.mark.parametrize("path", ["missing", "empty"])
def test_a_missing_checkpoint_is_an_error_and_never_a_random_model(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "empty").mkdir()
    config = local(PretrainedTeacher(path=tmp_path / path))
    for use in (lambda: config.build(NO_SETUP), lambda: canonical(config)):
        with pytest.raises(ConfigError, match=r"config\.json"):
            use()


def test_a_checkpoint_is_known_by_its_contents(fixed_text_model: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(fixed_text_model, tmp_path / "moved")
    same = [canonical(local(PretrainedTeacher(path=p))) for p in (fixed_text_model, moved)]
    assert same[0] == same[1]
    (moved / "config.json").write_text((moved / "config.json").read_text() + " ")
    assert canonical(local(PretrainedTeacher(path=moved))) != same[0]


@pytest.fixture
def served(fixed_text_model: Path, tmp_path: Path) -> Iterator[str]:
    """The address of `transformers serve` with the speaking checkpoint."""
    pytest.importorskip("openai", reason="`transformers serve` needs openai: pip install openai")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = str(Path(sys.executable).with_name("transformers"))
    where = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    with open(tmp_path / "serve.log", "w") as log:
        server = subprocess.Popen(
            [program, "serve", str(fixed_text_model), *where],
            stdout=log,
            stderr=log,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "default"},
        )
    try:
        deadline = time.monotonic() + 300
        while True:
            assert server.poll() is None, (tmp_path / "serve.log").read_text()
            assert time.monotonic() < deadline, "no server"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.integration
def test_a_real_server_and_the_local_teacher_say_the_same(
    served: str, fixed_text_model: Path, tmp_path: Path
) -> None:
    chat = ChatConfig(
        base_url=served, model=str(fixed_text_model), max_tokens=6, api_key_env="NO_KEY"
    )
    setup = TeacherSetup("cpu", tmp_path / "cache", tmp_path / "usage")
    config = EndpointTeacher.Config(chat=chat)
    over_http = {o.id: o for o in config.build(setup).write(REQUESTS)}
    here = {
        o.id: o
        for o in local(PretrainedTeacher(path=fixed_text_model)).build(setup).write(REQUESTS)
    }
    assert len(here) == 3
    for name, row in here.items():
        other = over_http[name]
        assert isinstance(row, ThoughtPrompt)
        assert isinstance(other, ThoughtPrompt), other
        assert (row.prompt, row.steps) == (other.prompt, other.steps)
    facts = config.facts(setup.usage_log)
    assert (facts["requests"], facts["answers"]) == (3, 3)
    assert facts["tokens_out"] >= 3
    assert facts["tokens_in"] > 300

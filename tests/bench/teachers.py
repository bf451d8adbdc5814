"""What asking a model behind a server costs: requests in flight, and a second start."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from storm.llm_client import ChatConfig
from storm.thought_prompts.base import TeacherSetup
from storm.thought_prompts.endpoint import EndpointTeacher
from tests.bench.measure import Figure, Row
from tests.support.scripted_server import Act, ScriptedServer, says
from tests.support.teacher_requests import teacher_request, valid_reply

LATENCY_SECONDS = 2.0
REQUESTS = 128
ALONE = 4


def in_flight(folder: Path) -> Iterator[Row]:
    """128 questions of three pictures each to a server that takes two seconds for one."""
    requests = [teacher_request(f"q{n}") for n in range(REQUESTS)]

    def ask(concurrency: int, name: str, count: int) -> float:
        chat = ChatConfig(base_url=server.url, model="m", concurrency=concurrency)
        setup = TeacherSetup("cpu", folder / name, folder / f"{name}.jsonl")
        began = time.perf_counter()
        rows = list(EndpointTeacher.Config(chat=chat).build(setup).write(requests[:count]))
        assert len(rows) == count
        return (time.perf_counter() - began) / count

    with ScriptedServer(
        lambda body, seen: Act(says(valid_reply(body)), delay=LATENCY_SECONDS)
    ) as server:
        together = ask(64, "together", REQUESTS)
        assert server.most_flying == 64
        alone = ask(1, "alone", ALONE)
        yield Figure(
            name="requests: seconds of one at a time / of 64 in flight",
            value=alone / together,
            at_least=16,
        )
        before = server.requests
        again = ask(64, "together", REQUESTS)
        sent = (server.requests - before) / REQUESTS
        yield Figure(name="requests of a second start / of the first", value=sent, at_most=0)
        yield Figure(
            name="requests: seconds of a second start / of the first",
            value=again / together,
            at_most=1,
        )


CASES = (in_flight,)

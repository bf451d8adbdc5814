"""The deployment, as a user runs it: a real server and a real process worker on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

REPO = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(api: str, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{api}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


class Prefect:
    """A server of our own, its environment, and the programs started against it."""

    def __init__(self, home: Path):
        port = free_port()
        self.api = f"http://127.0.0.1:{port}/api"
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "PREFECT_HOME": str(home),
            "PREFECT_API_URL": self.api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "STORM_HOME": str(REPO),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }
        self.log = home / "log.txt"
        self.started: list[subprocess.Popen[bytes]] = []
        self.start("server", "start", "--host", "127.0.0.1", "--port", str(port))
        self.wait_until(self.is_up, 180)

    def is_up(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.api}/health", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False

    def start(self, *arguments: str) -> None:
        with open(self.log, "ab") as log:
            program = subprocess.Popen(
                [str(BIN / "prefect"), *arguments],
                env=self.environment,
                cwd=REPO,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started.append(program)

    def call(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(BIN / "prefect"), *arguments],
            env=self.environment,
            cwd=REPO,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_until(self, true: Any, seconds: float) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert all(p.poll() is None for p in self.started), self.log.read_text()[-4000:]
            if found := true():
                return found
            time.sleep(1)
        raise AssertionError(f"not after {seconds} s; {self.log.read_text()[-4000:]}")

    def stop(self) -> None:
        for program in reversed(self.started):
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGTERM)
        for program in self.started:
            try:
                program.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Prefect]:
    home = tmp_path / "prefect"
    home.mkdir()
    server = Prefect(home)
    yield server
    server.stop()


def runs(prefect: Prefect) -> list[dict[str, Any]]:
    return post(prefect.api, "/flow_runs/filter", {"sort": "START_TIME_ASC"})


def finished(prefect: Prefect, count: int) -> list[dict[str, Any]]:
    found = runs(prefect)
    ended = [r for r in found if r["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")]
    return found if len(ended) == count else []


def test_deployment_completes_shows_its_stages_and_is_cached_the_second_time(
    prefect: Prefect, tmp_path: Path
) -> None:
    prefect.call("work-pool", "create", "storm", "--type", "process")
    prefect.call("deploy", "--all", "--no-prompt")
    prefect.start("worker", "start", "--pool", "storm", "--type", "process")
    run = (
        *("deployment", "run", "storm/full-pipeline", "--param", "profile=smoke"),
        *("--param", f"root={tmp_path / 'artifacts'}"),
    )
    prefect.call(*run)
    (first,) = prefect.wait_until(lambda: finished(prefect, 1), 600)
    assert first["state_type"] == "COMPLETED", first["state"]

    prefect.call(*run)
    _, second = prefect.wait_until(lambda: finished(prefect, 2), 300)
    assert second["state_type"] == "COMPLETED", second["state"]

    def task_states(flow_run: dict[str, Any]) -> dict[str, str]:
        body = {"flow_runs": {"id": {"any_": [flow_run["id"]]}}}
        return {t["name"]: t["state_name"] for t in post(prefect.api, "/task_runs/filter", body)}

    def all_there() -> bool:  # the server takes task runs in from a queue
        return "results" in task_states(first) and "results" in task_states(second)

    prefect.wait_until(all_there, 60)
    states = task_states(first)
    stages = [
        *("videos", "keyframes", "thought_prompts", "thought_videos", "latent_targets", "base"),
        *("video_features", "stage_one", "stage_two", "predictions", "results"),
    ]
    assert {stage: states.get(stage) for stage in stages} == dict.fromkeys(stages, "Completed")
    assert states["keyframes 1 of 2"] == "Completed"
    assert set(task_states(second).values()) == {"Cached"}

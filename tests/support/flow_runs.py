"""Flows as a user starts them: in a process of their own, whose every descendant can be found."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

REPO = Path(__file__).parents[2]
DATA = (
    *("videos", "keyframes", "thought_prompts", "thought_videos", "latent_targets"),
    *("video_features", "predictions", "results"),
)
TRAININGS = ("base", "stage_one", "stage_two", "direct")


@dataclass
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class FinishedRun:
    """A run of `full_pipeline` that nothing disturbed: its root, mark and output."""

    root: str
    mark: str
    code: int
    out: str
    err: str

    def copy_to(self, root: Path) -> Done:
        """Copy the root with all times; return the output as if it had been made there."""
        shutil.copytree(self.root, root)
        texts = (text.replace(self.root, str(root)) for text in (self.out, self.err))
        return Done(self.code, *texts)


@dataclass
class Flow:
    """`python -m flows.NAME` on one root."""

    root: Path
    home: Path  # Prefect's
    api: str = ""  # of a Prefect server; without one the flow starts its own
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, flow: str, *options: str, profile: str = "smoke") -> subprocess.Popen[str]:
        """The running flow, the leader of its own process group."""
        command = [sys.executable, "-m", f"flows.{flow}", "--profile", profile]
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")},
            "OMP_NUM_THREADS": "1",
            "PREFECT_HOME": str(self.home),
            **({"PREFECT_API_URL": self.api} if self.api else {}),
            "STORM_TEST_MARK": self.mark,
        }
        running = subprocess.Popen(
            [*command, "--root", str(self.root), *options],
            env=environment,
            cwd=REPO,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(running)
        return running

    def run(self, flow: str, *options: str, profile: str = "smoke") -> Done:
        return self.end(self.start(flow, *options, profile=profile))

    @staticmethod
    def end(running: subprocess.Popen[str], seconds: float = 900) -> Done:
        out, err = running.communicate(timeout=seconds)
        return Done(running.returncode, out, err)

    def processes(self, *, named: str = "") -> dict[int, str]:
        """Commands of the living processes of this mark: the flow itself and all it started."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if f"STORM_TEST_MARK={self.mark}".encode() in environment and named in command:
                found[int(folder.name)] = command
        return found

    def wait_for(self, true: Callable[[], Any], seconds: float = 300) -> Any:
        end = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < end, f"not within {seconds} s; alive: {self.processes()}"
            time.sleep(0.1)
        return found

    def none_left(self, seconds: float = 10) -> None:
        self.wait_for(lambda: not self.processes(), seconds)

    def leftovers(self) -> list[Path]:
        return [*self.root.rglob("*.tmp-*"), *self.root.rglob("*.journal")]

    def sealed(self) -> list[Path]:
        return sorted(self.root.glob("*/*/manifest.json"))

    def manifest(self, stage: str) -> dict[str, Any]:
        (path,) = self.root.glob(f"{stage}/*/manifest.json")
        return json.loads(path.read_bytes())

    def rows(self, stage: str) -> dict[str, dict[str, Any]]:
        """Every sealed row of a stage's artifacts, by its artifact and id; with `_digest`."""
        found = {}
        for path in sorted(self.root.glob(f"{stage}/*/shard-*.arrow")):
            for row in pa.ipc.open_stream(path.read_bytes()).read_all().to_pylist():
                found[f"{path.parent.name}/{row['id']}"] = row
        return found

    def data(self) -> dict[str, str]:
        """What must not hang on how a run went: each data row's digest."""
        return {
            f"{stage}/{name}": row["_digest"]
            for stage in DATA
            for name, row in self.rows(stage).items()
        }

    def weights(self) -> dict[str, str]:
        """sha256 of each trained checkpoint."""
        return {
            f"{stage}/{name}": row["sha256"]
            for stage in TRAININGS
            for name, row in self.rows(stage).items()
        }

    def snapshot(self) -> dict[str, tuple[int, int]]:
        """Inode and time of every file but reports: equal ones mean that nothing was made."""
        files = [p for p in self.root.rglob("*") if p.is_file()]
        return {
            str(p.relative_to(self.root)): (p.stat().st_ino, p.stat().st_mtime_ns)
            for p in files
            if "reports" not in p.parts and p.name != "run.lock"
        }


@contextmanager
def flow(root: Path, home: Path, api: str = "") -> Iterator[Flow]:
    """Yield a Flow; at the end kill what it may have left running, by its mark."""
    made = Flow(root, home, api)
    try:
        yield made
    finally:
        for pid in made.processes():
            os.kill(pid, signal.SIGKILL)
        for running in made.started:
            running.communicate()

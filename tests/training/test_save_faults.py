"""Killed at every file of a save, or one of two ranks: the same losses and weights in the end."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from storm.errors import StageFailed
from storm.training import checkpoints
from storm.training.launch import reason
from storm.training.spec import AnswerPhase
from storm.training.stage import run_ranks


def phases(steps: int) -> tuple[AnswerPhase]:
    return (AnswerPhase(steps=steps, learning_rate=1e-2, batch=8, warmup_steps=2),)


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines]


@pytest.mark.long
def test_killed_at_every_file_of_a_save(tmp_path, start, small, environment):
    spec = small.spec(
        tmp_path / "whole",
        start,
        small.rows(tmp_path / "rows"),
        phases=phases(5),
        runtime={"zero_stage": 2},
    )
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    done = subprocess.run(
        small.program("resume_after_each_write.py", 1, tmp_path / "spec.json", tmp_path),
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    kept = sorted(tmp_path.glob("kept-*"))
    # two saves of weights, optimiser and record, then the record of the phase; before and after
    assert len(kept) == 2 * (2 * 3 + 1)
    expected = load_file(tmp_path / "whole" / "out" / "model.safetensors")
    for folder in kept:
        assert losses(folder) == losses(tmp_path / "whole"), folder.name
        found = load_file(folder / "out" / "model.safetensors")
        assert all(torch.equal(found[key], expected[key]) for key in expected), folder.name


def test_the_reason_names_the_rank_that_began_it():
    killed = "rank 1 of 2 was killed by SIGKILL (the kernel does so when memory runs out)"
    for other in (1, -15):
        assert reason({0: other, 1: -9}, 2).startswith(killed)
    assert reason({0: -15, 1: 65}, 2).startswith("rank 1 of 2 ended with exit code 65: run it")
    assert reason({0: 75, 2: 1}, 4).startswith("rank 0 of 4 ended with exit code 75: run it again")


@pytest.mark.integration
def test_one_of_two_ranks_dies(tmp_path, start, small, environment, monkeypatch):
    for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE"):
        monkeypatch.setenv(name, environment[name])
    rows = small.rows(tmp_path / "rows")

    def run(name: str, emit=lambda event: None) -> None:
        spec = small.spec(
            tmp_path / name,
            start,
            rows,
            phases=phases(60),
            runtime={"zero_stage": 2, "ranks": 2},
        )
        path = tmp_path / name / "spec.json"
        path.write_text(spec.model_dump_json())
        run_ranks(path, spec, emit)

    killed: list[float] = []

    def kill_second(event) -> None:
        if event.get("progress", 0) >= 5 and not killed:
            killed.append(time.monotonic())
            os.kill(second_rank(str(tmp_path / "killed" / "spec.json")), signal.SIGKILL)

    with pytest.raises(StageFailed, match=r"rank 1 of 2 was killed by SIGKILL .* run it again"):
        run("killed", kill_second)
    assert (
        time.monotonic() - killed[0] < 180
    )  # a rank that waits would wait for a quarter of an hour
    found = checkpoints.newest(tmp_path / "killed" / "checkpoints")
    assert found is not None
    assert not (tmp_path / "killed" / "out").exists()
    heard = []
    run("killed", heard.append)
    assert heard[-1] == {"alive": "done"}
    assert next(e for e in heard if "progress" in e)["progress"] > 2
    run("whole")
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def second_rank(spec: str) -> int:
    """The process id of rank 1 of the training that was given `spec`."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode().split("\0")
            environ = (folder / "environ").read_bytes().decode().split("\0")
        except OSError:
            continue
        if spec in words and "storm.training.rank" in words and "RANK=1" in environ:
            return int(folder.name)
    raise AssertionError("expected a second rank, found none")

"""The real program, in processes of its own: exact resume, ranks, ZeRO."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from storm.errors import StageFailed
from storm.training import checkpoints
from storm.training.spec import AnswerPhase, Until

pytestmark = pytest.mark.integration

# Runs a rank that dies by SIGKILL at the n-th call of a function of storm.training.checkpoints.
DYING = """
import os, sys
from storm.training import checkpoints, rank
name, at = os.environ["DIE_AT"].split(":")
calls, real = [], getattr(checkpoints, name)
def deadly(*args):
    calls.append(args)
    if len(calls) == int(at):
        os.kill(os.getpid(), 9)
    return real(*args)
setattr(checkpoints, name, deadly)
sys.exit(rank.main(sys.argv[1:]))
"""

# Runs a rank whose first step finds no memory.
FULL = """
import sys
import torch
from storm.training import engine, rank
def step(self, *args):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
engine.Engine.step = step
sys.exit(rank.main(sys.argv[1:]))
"""


@pytest.fixture
def train(tmp_path, start, small, environment):
    """Run a training in `folder`; its events. `ranks` 0 starts no launcher."""

    def run(folder: str, ranks: int = 0, die_at: str | None = None, val: int = 0, **fields):
        files = small.rows(tmp_path / "rows", val=val)
        spec = small.spec(tmp_path / folder, start, files, **fields)
        path = tmp_path / folder / "spec.json"
        path.write_text(spec.model_dump_json())
        program = ["-m", "storm.training.rank"]
        env = environment
        if die_at:
            program, env = ["-c", DYING], {**environment, "DIE_AT": die_at}
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}"]
        command = [sys.executable, *(launcher if ranks else []), *program, str(path)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=800)
        expected = -signal.SIGKILL if die_at else 0
        assert done.returncode == expected, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (path,) = folder.glob("*.safetensors")
    return load_file(path)


def kept(folder: Path) -> list[tuple[int, int]]:
    """Phase and step of each complete checkpoint."""
    found = [checkpoints.read(path) for path in sorted((folder / "checkpoints").iterdir())]
    return [(record["phase"], record["step"]) for record in found if record]


def curve(folder: Path) -> list[tuple[int, int, float]]:
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    return [(x["phase"], x["step"], x["loss"]) for x in lines]


@pytest.mark.long
def test_a_killed_training_ends_with_the_same_weights_and_losses(train, tmp_path):
    events = train("whole")
    assert events[-1]["event"] == "done"
    assert events[-1]["optimizer_steps"] == 14
    assert [e["kind"] for e in events[-1]["phases"]] == ["align", "align", "answer"]
    assert sum(e["event"] == "diagnostics" for e in events) == 3

    # a record is written at steps 2 and 4 of a phase and at its end
    train("killed", die_at="mark_complete:2")  # phase 0, step 4: all files, no record
    train("killed", die_at="mark_complete:4")  # goes on from step 2; phase 1, step 4
    whole, torn = sorted((tmp_path / "killed" / "checkpoints").iterdir())
    assert checkpoints.read(whole)["step"] == 2
    assert checkpoints.read(torn) is None
    train("killed", die_at="publish:1")
    assert not (tmp_path / "killed" / "out").exists()
    events = train("killed")
    assert [e["event"] for e in events] == ["done"]

    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    expected, found = weights(tmp_path / "whole" / "out"), weights(tmp_path / "killed" / "out")
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert train("killed")[-1] == events[-1]  # a finished training only says so


def test_resuming_inside_a_phase_continues_at_its_step(train, tmp_path):
    train("run", die_at="mark_complete:2")
    events = train("run")
    assert [e["resumed_at"] for e in events if e["event"] == "phase"] == [2, 0, 0]


@pytest.fixture
def until() -> tuple[AnswerPhase, ...]:
    """Phases of which the first ends once half of eight validation questions are right."""
    common = {"learning_rate": 1e-2, "batch": 24, "warmup_steps": 2, "feeding": "none"}
    look = Until(accuracy=0.5, every=3)
    return (
        AnswerPhase(steps=400, until=look, **common),  # pyright: ignore
        AnswerPhase(steps=2, **common),  # pyright: ignore
    )


def test_a_phase_ends_when_it_is_good_enough_also_after_a_kill(train, tmp_path, until):
    fields = {"phases": until, "mode": "direct", "val": 8}
    *_, done = train("whole", **fields)
    first, second = done["phases"]
    assert first["steps"] < first["most_steps"] == 400
    assert first["steps"] % 3 == 0
    assert first["diagnostics"]["val_accuracy"] >= 0.5
    assert second["steps"] == second["most_steps"] == 2
    assert done["optimizer_steps"] == first["steps"] + 2
    lines = [json.loads(x) for x in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    looks = {x["step"] + 1: x["val_accuracy"] for x in lines if "val_accuracy" in x}
    assert list(looks) == list(range(3, first["steps"] + 1, 3))
    assert [step for step, accuracy in looks.items() if accuracy >= 0.5] == [first["steps"]]

    saved = first["steps"] // 2 - (first["steps"] % 2 == 0)  # every two steps, not at the stop
    train("killed", die_at=f"mark_complete:{saved}", **fields)
    assert kept(tmp_path / "killed")[-1] == (0, 2 * saved - 2)
    *_, again = train("killed", **fields)
    assert again["phases"][0]["steps"] == first["steps"]
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")
    expected, found = weights(tmp_path / "whole/out"), weights(tmp_path / "killed/out")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.long
def test_ranks_agree_when_a_phase_ends(train, tmp_path, until):
    *_, done = train("two", ranks=2, phases=until, mode="direct", val=8)
    assert done["ranks"] == 2
    assert done["phases"][0]["steps"] < 400
    assert done["phases"][1]["steps"] == 2


@pytest.mark.long
def test_ranks_and_zero_stages_train_the_same_student(train, tmp_path, small):
    """Up to rounding; the mixed phase draws on each rank, so it is left out."""
    phases = small.spec(tmp_path / "x", tmp_path, small.rows(tmp_path / "rows")).phases[::2]
    train("one", phases=phases)
    expected = weights(tmp_path / "one" / "out")
    for name, ranks, runtime in (
        ("two", 2, {"zero_stage": 2, "micro_batch": 2}),
        ("three", 0, {"zero_stage": 3}),
    ):
        train(name, ranks, phases=phases, runtime=runtime)
        found = weights(tmp_path / name / "out")
        assert expected.keys() == found.keys()
        for key, value in expected.items():
            assert torch.allclose(found[key], value, atol=2e-4), (name, key)


def test_it_ends_when_its_owner_is_gone(tmp_path, start, small, environment):
    spec = small.spec(tmp_path / "run", start, small.rows(tmp_path / "rows"), steps=100_000)
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    owner = subprocess.Popen(["sleep", "600"])
    rank = subprocess.Popen(
        [sys.executable, "-m", "storm.training.rank", str(tmp_path / "spec.json")],
        env={**environment, "STORM_OWNER_PID": str(owner.pid)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert rank.stdout
    with rank.stdout:
        for line in rank.stdout:
            if '"step"' in line:
                break
        owner.kill()
        owner.wait()
        began = time.monotonic()
        assert rank.wait(timeout=10) == 75
    assert time.monotonic() - began < 4


def test_no_memory_is_one_clear_line(tmp_path, start, small, environment):
    spec = small.spec(tmp_path / "run", start, small.rows(tmp_path / "rows"))
    (tmp_path / "spec.json").write_text(spec.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "spec.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == StageFailed.exit_code
    error = json.loads(done.stdout.splitlines()[-1])["error"]
    for part in ("rank 0 of 1", "2.00 GiB", "micro_batch", "gradient_checkpointing", "zero_stage"):
        assert part in error
    assert "\n" not in error
    assert "Traceback" not in done.stderr


def test_a_wrong_spec_is_one_clear_line(tmp_path, environment):
    (tmp_path / "spec.json").write_text('{"student": 1}')
    done = subprocess.run(
        [sys.executable, "-m", "storm.training.rank", str(tmp_path / "spec.json")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "phases" in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr

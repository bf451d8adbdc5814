"""Forty kills of the default run: `make long ARGS='tests/flows/test_kills.py'`."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from flow_runs import flow

KILLS = 40
# trainings that are killed every minute need a checkpoint sooner
OFTEN = ("--set", "runtime.save_every=20")


@pytest.mark.long
def test_forty_kills_change_no_row_and_no_weight(tmp_path: Path, prefect_home: Path) -> None:
    """kill -9 of the driver at random moments; what is in flight is all that is made again."""
    with flow(tmp_path / "whole", prefect_home) as whole:
        done = whole.run("full_pipeline", *OFTEN, profile="shell")
        assert done.code == 0, done.err
        data, weights = whole.data(), whole.weights()
    seed = time.time_ns()
    print("seed:", seed)  # shown where the test fails
    rng = random.Random(seed)
    killed = 0
    with flow(tmp_path / "killed", prefect_home) as run:
        while killed < KILLS:
            running = run.start("full_pipeline", *OFTEN, profile="shell")
            try:
                running.wait(rng.uniform(1, 60))
            except subprocess.TimeoutExpired:
                os.kill(running.pid, signal.SIGKILL)
                killed += 1
            done = run.end(running)
            assert done.code in (0, -signal.SIGKILL), done.err
            run.none_left(15)
            if done.code == 0:
                assert (run.data(), run.weights()) == (data, weights)
                for title in ("videos", "stage_one"):  # go on killing what is made again
                    again = run.start("full_pipeline", "--refresh", title, *OFTEN, profile="shell")
                    time.sleep(rng.uniform(5, 20))
                    os.kill(again.pid, signal.SIGKILL)
                    run.end(again)
                    run.none_left(15)
                    killed += 1
        done = run.run("full_pipeline", *OFTEN, profile="shell")
        assert done.code == 0, done.err
        assert not run.leftovers()
        assert (run.data(), run.weights()) == (data, weights)

"""`storm run` and `python -m flows.NAME` are one command."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from flow_runs import REPO

from flows import command

WITHOUT_PREFECT = """
import sys
from storm.cli import main
try:
    main(sys.argv[1:])
finally:
    assert "prefect" not in sys.modules
"""


def storm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFECT, *words], cwd=REPO, capture_output=True, text=True
    )


def test_storm_run_is_the_flows_own_command() -> None:
    (entry,) = entry_points(group="storm.commands", name="run")
    assert entry.load() is command.run


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["keyfames"], 2),
        (["--refresh", "keyfames"], 2),
        (["--profile", "nope"], 2),
        (["--root", "s3://bucket"], 1),
    ],
)
def test_what_is_wrong_is_one_line_before_prefect_loads(
    words: list[str], code: int, tmp_path: Path
) -> None:
    root = () if "--root" in words else ("--root", str(tmp_path / "root"))
    done = storm("run", *words, *root)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: expected ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("full_pipeline", "results"),
        ("generate_targets", "latent_targets"),
        ("train", "stage_two"),
        ("evaluate", "predictions"),
    ],
)
def test_each_named_flow_runs_its_target(
    name: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpy

    calls: list[Any] = []
    monkeypatch.setattr(command, "run", lambda *arguments: calls.append(arguments))
    words = ["--profile", "smoke", "--set", "seed=1", "--refresh", "base", "--root", "r", "--wait"]
    monkeypatch.setattr(sys, "argv", [name, *words])
    monkeypatch.delitem(sys.modules, f"flows.{name}", raising=False)
    with pytest.raises(SystemExit) as end:
        runpy.run_module(f"flows.{name}", run_name="__main__")
    assert not end.value.code
    assert calls == [(target, "smoke", ["seed=1"], ["base"], "r", True)]


@pytest.mark.integration
def test_storm_run_makes_any_stage(tmp_path: Path, prefect_home: Path, prefect_api: str) -> None:
    words = ["run", "keyframes", "--profile", "smoke", "--root", str(tmp_path)]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(prefect_home),
        "PREFECT_API_URL": prefect_api,
    }
    for state in ("made", "cached"):
        done = subprocess.run(
            [sys.executable, "-m", "storm.cli", *words],
            cwd=REPO,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        lines = [line.split()[:2] for line in done.stderr.splitlines()]
        assert lines == [[state, "videos"], [state, "keyframes"]]
    assert {path.parts[-3] for path in tmp_path.glob("*/*/manifest.json")} == {
        "videos",
        "keyframes",
    }

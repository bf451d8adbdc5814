"""`storm status`, `storm results` and `storm report`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("command", [["results"], ["results", "--json"], ["report"]])
def test_results_before_anything_is_made_say_what_to_run(
    run: Run, tmp_path: Path, command: list[str]
) -> None:
    options = ["--profile", "smoke", "--root", str(tmp_path), "--set", "seed=3"]
    code, out, errors = run(*command, *options)
    assert (code, out) == (1, "")
    expected = f"run: storm run --profile smoke --root {tmp_path} --set seed=3"
    assert expected in errors
    assert errors.count("\n") == 1


def test_status_lists_every_stage_as_text_and_as_json(run: Run, tmp_path: Path) -> None:
    options = ["--profile", "smoke", "--root", str(tmp_path)]
    _, text, _ = run("status", *options)
    _, raw, _ = run("status", "--json", *options)
    states = json.loads(raw)
    assert len(text.splitlines()) == len(states) > 10
    assert {s["state"] for s in states} == {"missing"}
    assert states[-1]["stage"] == "results"


@pytest.mark.integration
def test_status_follows_a_stage_from_plan_to_damage(run: Run, tmp_path: Path) -> None:
    from storm.artifacts.make import execute, make_shard, plan, seal
    from storm.artifacts.store import Store
    from storm.pipeline.assemble import assemble
    from storm.process.children import Children
    from storm.profiles import load
    from storm.runtime import Runtime

    settings = [f"videos.counts.{split}=3" for split in ("train", "test")]
    settings.append("videos.counts.val=0")
    options = ["--profile", "smoke", "--root", str(tmp_path)]
    options += [part for s in settings for part in ("--set", s)]

    def state() -> tuple[str, int, int]:
        _, raw, _ = run("status", "--json", *options)
        (found,) = [s for s in json.loads(raw) if s["stage"] == "videos"]
        return found["state"], found["done"], found["items"]

    stage, store = assemble(load("smoke", settings)).find("videos"), Store(tmp_path)
    plan(stage, store)
    assert state() == ("partial", 0, 6)
    with Children() as children:
        for number in range(stage.shards):
            make_shard(stage, store, Runtime(), number, children)
    assert state() == ("partial", 6, 6)
    seal(stage, store)
    assert state() == ("complete", 6, 6)
    next(stage.artifact(store).path.glob("blobs/*/*.mp4")).unlink()
    assert state()[0] == "damaged"
    execute(stage, store, Runtime())
    assert state() == ("complete", 6, 6)

"""The whole pipeline as `make run` starts it: what it says, what it keeps, what it survives."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flow_runs import Done, FinishedRun, Flow, flow

from storm.pipeline.assemble import assemble
from storm.profiles import Run, load

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
TITLES = [stage.title for stage in assemble(load("smoke"))]
STORM_ALONE = ("--set", "arms={}")


@pytest.fixture(scope="module")
def finished(
    tmp_path_factory: pytest.TempPathFactory,
    smoke_run: FinishedRun,
    prefect_home: Path,
    prefect_api: str,
) -> Iterator[tuple[Flow, Done]]:
    """A run that nothing disturbed, for all tests of this file."""
    root = tmp_path_factory.mktemp("finished") / "artifacts"
    with flow(root, prefect_home, prefect_api) as made:
        made.mark = smoke_run.mark
        yield made, smoke_run.copy_to(root)


def test_it_ends_with_the_table_and_a_report(finished: tuple[Flow, Done]) -> None:
    run, done = finished
    assert done.code == 0, done.err
    table = done.out.splitlines()
    assert re.match(r"arm +accuracy % +95 % interval +questions", table[0])
    assert any(line.startswith("storm: slot patched ") for line in table), done.out
    assert any(line.startswith("storm: sweeps ") for line in table), done.out
    for name in ("storm", "direct", "shuffled", "chance"):
        assert any(line.startswith(name) for line in table), done.out
    said, _, path = table[-1].partition(": ")
    assert said == "report"
    assert Path(path) == run.root / "reports" / "smoke.html"
    assert Path(path).stat().st_size > 1000


def test_it_prints_one_line_for_each_stage(finished: tuple[Flow, Done]) -> None:
    lines = finished[1].err.splitlines()
    assert all(line.startswith("made ") for line in lines), finished[1].err
    assert sorted(re.split(r" {2,}", line)[1] for line in lines) == sorted(
        title if len(title) < 32 else next(x for x in lines if title in x) for title in TITLES
    )


def test_it_leaves_sealed_artifacts_and_no_process(finished: tuple[Flow, Done]) -> None:
    run, _ = finished
    run.none_left()
    assert not run.leftovers()
    assert len(run.sealed()) == len(TITLES)
    for path in run.sealed():
        manifest = json.loads(path.read_bytes())
        planned = json.loads((path.parent / "plan.json").read_bytes())["items"]
        assert manifest["rows"] + len(manifest["quarantined"]) == len(planned)


def test_predictions_are_as_the_results_count_them(finished: tuple[Flow, Done]) -> None:
    rows = list(finished[0].rows("predictions").values())
    for change in ("swap", "patch:1", "patch:8"):
        changed = [row for row in rows if row["intervention"] == change]
        assert len(changed) == 8
        assert all(row["donor_answer"] in set("ABCD") for row in changed)
    steps = {f"{kind}:{step}" for kind in ("patch", "sweeps") for step in range(1, 9)}
    assert {row["intervention"] for row in rows} == {"none", "zero", "swap", *steps}
    by_id = finished[0].rows("predictions")
    swept = {name: row for name, row in by_id.items() if row["intervention"] == "sweeps:8"}
    assert len(swept) == 8
    for name, row in swept.items():  # eight sweeps are the eight steps
        assert row["response"] == by_id[name.replace("#sweeps:8", "#none")]["response"]
        assert row["guess_accuracy"] == 1.0
    assert all(row["question_id"].startswith("test-") for row in rows)


def test_storm_status_and_results(finished: tuple[Flow, Done]) -> None:
    def storm(*arguments: str) -> Any:
        options = ["--profile", "smoke", "--root", str(finished[0].root), "--json"]
        command = [sys.executable, "-m", "storm.cli", *arguments, *options]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    states = storm("status")
    assert [state["stage"] for state in states] == TITLES
    assert {state["state"] for state in states} == {"complete"}
    found = storm("results")
    interventions = found["arms"]["storm"]["interventions"]
    steps = {f"{kind}:{step}" for kind in ("patch", "sweeps") for step in range(1, 9)}
    assert set(interventions) == {"zero", "swap", *steps}
    for change in ("swap", "patch:1", "patch:8"):
        assert {"accuracy", "ci95", "n", "follows_donor"} <= set(interventions[change])
        assert interventions[change]["follows_donor"]["n"] == 8
    guesses = [interventions[f"sweeps:{t}"]["guess_accuracy"] for t in (1, 7, 8)]
    assert guesses == pytest.approx([0.25034, 0.5, 1.0], abs=1e-5)
    assert found["chance"] == 0.25


def test_the_report_escapes_every_text(
    finished: tuple[Flow, Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from storm.report import page

    evil = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"
    usual = page.first_thought

    def hostile(*arguments: Any) -> dict[str, Any]:
        thought = usual(*arguments)
        sample = thought["sample"]
        object.__setattr__(sample, "question", evil)
        object.__setattr__(sample, "options", (evil, evil))
        return {**thought, "prompt": evil}

    monkeypatch.setattr(page, "first_thought", hostile)
    profile = tmp_path / "p.yaml"
    profile.write_text(f"extends: smoke\nname: {json.dumps('<b>mine')}\n")
    path = page.write_report(Run.open(finished[0].root, str(profile)))
    html = path.read_text()
    assert path.parent == finished[0].root / "reports"
    assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;{{ 7 * 7 }}") == 4
    assert "<script" not in html
    assert "<b>mine" not in html
    assert "&lt;b&gt;mine" in html
    assert html.count("data:image/jpeg;base64,") > 4
    assert "data:video/mp4;base64," in html
    assert not re.search(r"(src|href)=\"(?!data:)", html), "the page stands alone"


def test_the_report_opens_in_a_browser(finished: tuple[Flow, Done], tmp_path: Path) -> None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome-headless-shell")
    browser = next(filter(None, map(shutil.which, names)), None)
    if browser is None:
        pytest.skip("no Chromium is installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    page = (finished[0].root / "reports" / "smoke.html").as_uri()
    shown = subprocess.run(
        [browser, *options, "--dump-dom", page], capture_output=True, text=True, timeout=120
    ).stdout
    assert "<h1>STORM: smoke</h1>" in shown
    assert "polyline" in shown


def test_a_second_run_is_cached_and_starts_no_child(finished: tuple[Flow, Done]) -> None:
    run, first = finished
    before = run.snapshot()
    running = run.start("full_pipeline")
    children = []
    while running.poll() is None:
        children += run.processes(named="storm.process.child_main").values()
        time.sleep(0.2)
    again = run.end(running)
    assert again.code == 0, again.err
    assert not children
    assert run.snapshot() == before
    lines = again.err.splitlines()
    assert len(lines) == len(TITLES)
    assert all(line.startswith("cached ") for line in lines), again.err
    assert again.out == first.out


def test_refresh_makes_one_stage_again(finished: tuple[Flow, Done]) -> None:
    """Its rows come out equal, so what was made from them stays."""
    run, _ = finished
    data, weights, before = run.data(), run.weights(), run.snapshot()
    again = run.run("full_pipeline", "--refresh", "keyframes")
    assert again.code == 0, again.err
    made = {line.split()[1] for line in again.err.splitlines() if line.startswith("made ")}
    assert made == {"keyframes"}
    assert (run.data(), run.weights()) == (data, weights)
    same = {name for name, file in run.snapshot().items() if before.get(name) == file}
    blobs = {name for name in before if "/checkpoint/" in name or "/blobs/" in name}
    assert blobs
    assert blobs <= same, "clips or checkpoints were made again"


def test_benchmarks_of_a_profile_are_asked_and_reported(
    finished: tuple[Flow, Done], tmp_path: Path
) -> None:
    """Its own test videos as a question file: what is trained stays, only the asking is new."""
    run, before = finished[0], finished[0].weights()
    lines = [
        {
            **{name: row[name] for name in ("id", "question", "options", "answer")},
            "video": f"{place.split('/')[0]}/{row['video_path']}",
        }
        for place, row in run.rows("videos").items()
        if row["split"] == "test"
    ][:4]
    questions = tmp_path / "mine.jsonl"
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    videos = str(run.root / "videos")
    asked = {"kind": "own", "name": "mine", "data": str(questions), "videos": videos}
    value = json.dumps([{**asked, "latency": 2, "max_new_tokens": 4}])
    done = run.run("full_pipeline", "--set", f"benchmarks={value}")
    assert done.code == 0, done.err
    made = {line.split()[1] for line in done.err.splitlines() if line.startswith("made ")}
    assert made == {"evaluations/mine", "latency/mine"}
    assert run.weights() == before
    reports = run.root / "reports"
    modes = json.loads((reports / "smoke" / "mine" / "summary.json").read_bytes())["modes"]
    assert {mode: summary["n"] for mode, summary in modes.items()} == {"latent": 4, "direct": 4}
    page = (reports / "smoke.html").read_text()
    for said in ("own latent", "own direct", "difference", "ms at batch 1, median (p95)"):
        assert said in done.out
    for shown in ("<h2>mine</h2>", "<td>latent</td>", "<th>difference</th>", "ms at batch 1"):
        assert shown in page


def test_an_unknown_stage_to_refresh_is_one_line(finished: tuple[Flow, Done]) -> None:
    again = finished[0].run("full_pipeline", "--refresh", "keyfames")
    assert again.code == 2
    assert re.fullmatch(r"error: expected one of the stages .*, found 'keyfames'\n", again.err)


@pytest.mark.long
def test_a_killed_run_ends_with_the_same_artifacts(
    finished: tuple[Flow, Done], tmp_path: Path, prefect_home: Path
) -> None:
    """kill -9 of the driver alone, again and again, wherever the run of the arm `storm` is."""
    whole, _ = finished
    rng = random.Random(time.time_ns())
    moments = [(n, rng.uniform(0, 4)) for n in (0, 4, 6, 9)]
    print("moments:", moments)  # shown where the test fails
    with flow(tmp_path / "artifacts", prefect_home) as run:
        for sealed, seconds in moments:
            running = run.start("full_pipeline", *STORM_ALONE)
            run.wait_for(
                lambda n=sealed, p=running: (
                    p.poll() is not None
                    or (len(run.sealed()) >= n and run.processes(named="storm.process.child_main"))
                )
            )
            time.sleep(seconds)
            os.kill(running.pid, signal.SIGKILL)
            done = run.end(running)
            assert done.code in (0, -signal.SIGKILL), done.err
            run.none_left(15)
        done = run.run("full_pipeline", *STORM_ALONE)
        assert done.code == 0, done.err
        run.none_left()
        assert not run.leftovers()
        made = {name: d for name, d in run.data().items() if not name.startswith("results/")}
        assert made
        assert made.items() <= whole.data().items()
        assert run.weights().keys() >= {f"stage_two/{n}" for n in run.rows("stage_two")}
        assert run.weights().items() <= whole.weights().items()
        *table, chance, _ = done.out.splitlines()
        expected = finished[1].out.splitlines()
        assert table == expected[: len(table)]
        assert chance in expected


@pytest.mark.parametrize(
    ("number", "code", "whom"),
    [(signal.SIGTERM, 143, "driver"), (signal.SIGINT, 130, "everyone at the terminal")],
)
def test_a_stopped_run_ends_soon_and_says_how_to_go_on(
    number: int, code: int, whom: str, tmp_path: Path, prefect_home: Path
) -> None:
    with flow(tmp_path / "artifacts", prefect_home) as run:
        running = run.start("full_pipeline")
        run.wait_for(
            lambda: len(run.sealed()) > 1 and run.processes(named="storm.process.child_main")
        )
        send = os.killpg if whom != "driver" else os.kill
        send(running.pid, number)
        began = time.monotonic()
        done = run.end(running, 60)
        assert time.monotonic() - began < 30
        assert done.code == code, done.err
        run.none_left()
        lines = [line for line in done.err.splitlines() if not line.startswith("made ")]
        assert lines == ["stopped; run the same command again to go on"]


def test_only_targets_and_two_runs_at_once(
    tmp_path: Path, smoke_run: FinishedRun, prefect_home: Path, prefect_api: str
) -> None:
    """One wins; another says who holds the workspace, or waits if it is asked to."""
    with flow(tmp_path / "artifacts", prefect_home, prefect_api) as run:
        for stage in ("videos", "keyframes"):  # the base takes long enough for a second run
            shutil.copytree(Path(smoke_run.root, stage), run.root / stage)
        first = run.start("generate_targets")
        run.wait_for(lambda: run.processes(named="storm.process.child_main"))
        second = run.run("generate_targets")
        assert second.code == 75, second.err
        assert re.fullmatch(
            rf"error: latent_targets .* is being made by pid {first.pid} on .* since .*; "
            r"wait for it, or pass --wait\n",
            second.err,
        )
        assert first.poll() is None, "the first goes on"
        third = run.run("generate_targets", "--wait")
        assert third.code == 0, third.err
        done = run.end(first, 30)
        assert done.code == 0, done.err
        assert all(line.startswith("cached ") for line in third.err.splitlines()), third.err
        run.none_left()
        made = {path.parts[-3] for path in run.sealed()}
        assert made == {
            *("videos", "keyframes", "thought_prompts", "thought_videos", "latent_targets"),
            "base",
        }
        assert not any((run.root / name).exists() for name in ("stage_one", "direct", "results"))
        lines = [line.split()[:2] for line in done.err.splitlines()]
        assert {title for state, title in lines if state == "made"} == {
            *("base", "thought_prompts", "thought_videos", "latent_targets"),
        }


def test_a_wrong_profile_is_said_before_anything_starts(tmp_path: Path, prefect_home: Path) -> None:
    with flow(tmp_path / "artifacts", prefect_home) as run:
        done = run.run("full_pipeline", "--set", "student.latent.k=3")
        assert done.code == 2
        assert re.fullmatch(r"error: expected k = 3 to divide .*\n", done.err)
        assert not run.root.exists()

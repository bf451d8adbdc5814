"""What was made, as tables and as one HTML page that stands alone."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from storm.artifacts.fs import write_atomic
from storm.artifacts.journal import scan
from storm.artifacts.plan import is_settled
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.benchmarks.judge import ChatJudge
from storm.errors import NotSealed
from storm.evaluation import tables as shown
from storm.evaluation.results import as_json
from storm.evaluation.summary import Evaluated, read, write
from storm.pipeline.assemble import BenchmarkStages, assemble, benchmark_stages
from storm.pipeline.config import PipelineConfig
from storm.pipeline.graph import Graph
from storm.profiles import load

TEMPLATE = Path(__file__).with_name("report.html")


def _graph(profile: str, overrides: Sequence[str]) -> Graph:
    return assemble(load(profile, overrides))


def stage_states(root: str, profile: str, overrides: Sequence[str] = ()) -> list[dict[str, Any]]:
    """For each stage: `sealed`, `stale`, `partial` or `missing`, and how many items are done.

    `stale`: sealed, but an input, or one before it, holds other rows since or is being made.
    """
    return [_state(stage, Store(root)) for stage in _graph(profile, overrides)]


def _state(stage: Stage[Any], store: Store) -> dict[str, Any]:
    artifact = stage.artifact(store)
    state: dict[str, Any] = {"stage": stage.title, "path": str(artifact.path)}
    if artifact.sealed:
        manifest = artifact.manifest()
        quarantined = len(manifest["quarantined"])
        done, items = manifest["rows"], manifest["rows"] + quarantined
        return {
            **state,
            "state": "sealed" if is_settled(stage, store) else "stale",
            "done": done,
            "items": items,
            "quarantined": quarantined,
        }
    if not (artifact.path / "plan.json").exists():
        return {**state, "state": "missing", "done": 0, "items": "?", "quarantined": 0}
    places = [
        place
        for path in artifact.path.glob("*.journal")
        for place in scan(path, repair=False).values()
    ]
    quarantined = sum(place.rejected for place in places)
    done, items = len(places) - quarantined, len(artifact.plan().items)
    return {**state, "state": "partial", "done": done, "items": items, "quarantined": quarantined}


def read_results(root: str, profile: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """`{"arms": {name: {accuracy, ci95, n, seed, ...}}, "chance": ...}`; shares from 0 to 1."""
    stage, store = _graph(profile, overrides).find("results"), Store(root)
    if not stage.artifact(store).sealed:
        options = ["--profile", profile, "--root", root]
        options += [part for override in overrides for part in ("--set", override)]
        raise NotSealed(
            f"expected results under {root}, found none of this profile; "
            f"run: python -m flows.full_pipeline {shlex.join(options)}"
        )
    return as_json(stage.rows(store))


def table_of(results: dict[str, Any]) -> list[list[str]]:
    """The results as rows of text, a header first; accuracies in percent."""
    rows = [["arm", "accuracy %", "95 % interval", "questions"]]

    def add(name: str, found: dict[str, Any]) -> None:
        low, high = found["ci95"]
        interval = f"{100 * low:.1f} to {100 * high:.1f}"
        rows.append([name, f"{100 * found['accuracy']:.1f}", interval, str(found["n"])])

    for name, arm in results["arms"].items():
        add(name, arm)
        for measure, share in arm.get("interventions", {}).items():
            text = measure.replace("_follows_donor", ": answer follows the donor")
            rows.append([f"  latents {text}", f"{100 * share:.1f}", "", ""])
        for swaps, found in sorted(arm.get("by_swaps", {}).items(), key=lambda x: int(x[0])):
            add(f"  at {swaps} swaps", found)
    rows.append(["chance", f"{100 * results['chance']:.1f}", "", ""])
    return rows


def write_benchmarks(
    root: str, profile: str, overrides: Sequence[str] = ()
) -> dict[Path, Evaluated]:
    """Score the profile's benchmarks and write each to a folder `<root>/reports/<profile>/<title>`.

    By that folder, what was found. A benchmark that was not asked yet is left out.
    """
    config, store = load(profile, overrides), Store(root)
    checkpoint = assemble(config).find("stage_two")
    written: dict[Path, Evaluated] = {}
    for asked, found in _benchmarks(config, checkpoint, store):
        folder = store.root / "reports" / config.name / asked.benchmark.title
        write(found, folder, f"{config.name}/{checkpoint.fingerprint[:16]}")
        written[folder] = found
    return written


def _benchmarks(
    config: PipelineConfig, checkpoint: Stage[Any], store: Store
) -> Iterator[tuple[BenchmarkStages, Evaluated]]:
    for asked in benchmark_stages(config, checkpoint):
        needed = [s for s in (*asked.evaluations, asked.latency) if s is not None]
        if all(stage.artifact(store).sealed for stage in needed):
            wanted = asked.benchmark
            judge = ChatJudge(wanted.judge, store.root / "judge") if wanted.judge else None
            how = (wanted.scorer, wanted.unwrap_answer, judge)
            yield asked, read(asked.evaluations, asked.latency, store, *how)


def _tables_of(asked: BenchmarkStages, found: Evaluated) -> dict[str, Any]:
    modes = found.summary()["modes"].items()
    tables = [shown.accuracies(summary, mode) for mode, summary in modes]
    tables += [shown.differences(found.comparisons)] if found.comparisons else []
    tables += [shown.latencies(found.latency)] if found.latency else []
    return {"title": asked.benchmark.title, "tables": tables}


def write_report(root: str, profile: str, overrides: Sequence[str] = ()) -> Path:
    """Write `<root>/reports/<profile>.html`: tables, keyframes, a thought video, loss curves."""
    from jinja2 import Environment

    store, config = Store(root), load(profile, overrides)
    graph = assemble(config)
    page = Environment(autoescape=True).from_string(TEMPLATE.read_text())
    html = page.render(
        profile=config.name,
        table=table_of(read_results(root, profile, overrides)),
        benchmarks=[
            _tables_of(asked, found)
            for asked, found in _benchmarks(config, graph.find("stage_two"), store)
        ],
        stages=[_state(stage, store) for stage in graph],
        thought=_one_thought(graph, store),
        curves=[c for stage in graph if (c := _curve(stage, store)) is not None],
    )
    path = store.root / "reports" / f"{config.name}.html"
    write_atomic(path, html.encode())
    return path


def _one_thought(graph: Graph, store: Store) -> dict[str, Any]:
    """The first thought video with its question, keyframes and prompt."""
    clips = graph.find("thought_videos")
    clip = next(iter(clips.rows(store)))
    sample = next(s for s in graph.find("videos").rows(store) if s.id == clip.id)
    keyframes = next(k for k in graph.find("keyframes").rows(store) if k.id == sample.video_id)
    prompt = next(p for p in graph.find("thought_prompts").rows(store) if p.id == clip.id)
    shown = zip(keyframes.images, keyframes.pts_seconds, keyframes.reasons, strict=True)
    return {
        "sample": sample,
        "prompt": prompt.prompt,
        "video": _data_url("video/mp4", (clips.artifact(store).path / clip.blob).read_bytes()),
        "keyframes": [
            {"image": _data_url("image/jpeg", i), "seconds": t, "reason": r} for i, t, r in shown
        ],
    }


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _curve(stage: Stage[Any], store: Store) -> dict[str, Any] | None:
    """A training's loss as points of an SVG polyline in a box of 300 by 80."""
    from storm.training.stage import Training

    if not isinstance(stage, Training):
        return None
    (checkpoint,) = stage.rows(store)
    losses = json.loads(checkpoint.metrics)["losses"]
    if len(losses) < 2:
        return None
    values = [loss for _, loss in losses]
    top = max(values) or 1.0
    points = [
        f"{300 * i / (len(values) - 1):.1f},{80 - 76 * value / top:.1f}"
        for i, value in enumerate(values)
    ]
    return {
        "title": stage.title,
        "points": " ".join(points),
        "steps": checkpoint.optimizer_steps,
        "top": top,
        "last": checkpoint.final_loss,
    }

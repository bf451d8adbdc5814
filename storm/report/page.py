"""The HTML report: one page without links to other files."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from storm.artifacts.fs import write_atomic
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.config import LETTERS
from storm.evaluation.verdict import verdict_lines
from storm.profiles import Run
from storm.report.benchmarks import benchmark_tables, scored_benchmarks
from storm.report.results import read_results, results_tables
from storm.report.states import stage_states

TEMPLATE = Path(__file__).with_name("report.html")
WIDTH_PX, HEIGHT_PX = 300, 80  # of a loss curve


def write_report(run: Run) -> Path:
    """Write `<root>/reports/<profile>.html`: tables, keyframes, a thought video, loss curves."""
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string(TEMPLATE.read_text())
    results = read_results(run)
    html = page.render(
        profile=run.config.name,
        letters=LETTERS,
        results=results_tables(results),
        verdict=verdict_lines(results),
        benchmarks=[(title, benchmark_tables(scores)) for title, scores in scored_benchmarks(run)],
        stages=stage_states(run),
        thought=first_thought(run),
        curves=[curve for stage in run.graph if (curve := _loss_curve(stage, run.store))],
    )
    path = run.store.root / "reports" / f"{run.config.name}.html"
    write_atomic(path, html.encode())
    return path


def first_thought(run: Run) -> dict[str, Any]:
    """Return the first thought video with its question, keyframes and prompt."""
    graph, store = run.graph, run.store
    clips = graph.find("thought_videos")
    clip = next(iter(clips.rows(store)))
    sample = next(row for row in graph.find("videos").rows(store) if row.id == clip.id)
    keyframes = next(
        row for row in graph.find("keyframes").rows(store) if row.id == sample.video_id
    )
    prompt = next(row for row in graph.find("thought_prompts").rows(store) if row.id == clip.id)
    frames = zip(keyframes.images, keyframes.pts_seconds, keyframes.reasons, strict=True)
    return {
        "sample": sample,
        "prompt": prompt.prompt,
        "video": _data_url("video/mp4", (clips.artifact(store).path / clip.blob).read_bytes()),
        "keyframes": [
            {"image": _data_url("image/jpeg", image), "seconds": seconds, "reason": reason}
            for image, seconds, reason in frames
        ],
    }


def _data_url(mime_type: str, data: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def _loss_curve(stage: Stage[Any], store: Store) -> dict[str, Any] | None:
    """Return a training's loss as the points of an SVG polyline; None for other stages."""
    from storm.training.stage import TrainingStage

    if not isinstance(stage, TrainingStage):
        return None
    (checkpoint,) = stage.rows(store)
    losses = [loss for _, loss in json.loads(checkpoint.metrics)["losses"]]
    if len(losses) < 2:
        return None
    top = max(losses) or 1.0
    last = len(losses) - 1
    points = [
        f"{WIDTH_PX * step / last:.1f},{HEIGHT_PX - (HEIGHT_PX - 4) * loss / top:.1f}"
        for step, loss in enumerate(losses)
    ]
    return {
        "title": stage.title,
        "points": " ".join(points),
        "steps": checkpoint.optimizer_steps,
        "top": top,
        "last": checkpoint.final_loss,
    }

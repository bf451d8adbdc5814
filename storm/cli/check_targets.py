"""`storm check-targets`: whether latent targets are worth training on."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Json, Profile, Root, Set, app
from storm.cli.lazy import load_lazily

if TYPE_CHECKING:
    from storm.artifacts.stage import Stage
    from storm.pipeline.config import PipelineConfig
    from storm.target_check.report import TargetReport


@app.command()
def check_targets(
    profile: Profile = "shell",
    targets: Annotated[
        str,
        typer.Option(
            help="Whose targets, with commas: own, shuffled, mean, gaussian, or arms of the "
            "profile or its study."
        ),
    ] = "own",
    questions: Annotated[
        int, typer.Option(min=2, help="About how many validation questions get thought videos.")
    ] = 200,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from the profile's.")] = 1,
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Say whether targets are worth training on, before anything is trained.

    The base answers validation questions with and without targets in its latent span. What is
    missing (base, videos, thought videos, features) is made first and kept in the store.
    """
    load_lazily("numpy", "pyarrow", "cv2")
    from storm.pipeline.target_check import targets_config
    from storm.profiles import load
    from storm.target_check.report import as_json as report_as_json
    from storm.target_check.report import lines

    found: list[dict[str, Any]] = []
    first = load(profile, overrides).seed
    for name in filter(None, targets.split(",")):
        for seed in range(first, first + seeds):
            config = targets_config(load(profile, [*overrides, f"seed={seed}"]), name)
            report = _check(config, root, questions)
            if as_json:
                found.append({"targets": name, "seed": seed, **report_as_json(report)})
            else:
                print(f"targets {name}, seed {seed}", *lines(report), "", sep="\n")
    if as_json:
        print(json.dumps(found, indent=1))


def _check(config: PipelineConfig, root: str, questions: int) -> TargetReport:
    """Make what is missing and return the report; stderr says which stages are made."""
    from storm.artifacts.make import execute
    from storm.artifacts.store import Store
    from storm.pipeline.graph import Graph
    from storm.pipeline.target_check import check_stage, share_of, videos_stage
    from storm.target_check.measure import report_on

    store = Store(root)

    def make(target: Stage[Any]) -> None:
        for stage in Graph.of(target):
            if not stage.artifact(store).is_sealed():
                print(f"making {stage.title}", file=sys.stderr)
            execute(stage, store, config.runtime)

    videos = videos_stage(config)
    make(videos)
    scores = check_stage(config, share_of(questions, videos, store))
    make(scores)
    return report_on(scores, store)

"""`storm study`: the arms of a profile's section `study` beside its own, over several seeds."""

from __future__ import annotations

from typing import Annotated

import typer

from storm.cli.app import Json, Profile, Root, Set

Arms = Annotated[str, typer.Option(help="Names of arms, with commas; by default all.")]
Seeds = Annotated[int, typer.Option(min=1, help="How many seeds, from 0.")]
Quick = Annotated[bool, typer.Option("--quick", help="One seed.")]


def study(
    profile: Profile = "shell",
    arms: Arms = "",
    seeds: Seeds = 3,
    quick: Quick = False,
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Train and compare all arms of a profile; what was made before is not made again."""
    import json

    from flows.command import run
    from storm.cli.app import print_table
    from storm.evaluation.study import study_of
    from storm.profiles import Run
    from storm.profiles.loading import study_overrides
    from storm.report.study import study_table

    chosen = [*overrides, *study_overrides(profile, tuple(filter(None, arms.split(","))))]
    of_seeds = [[*chosen, f"seed={seed}"] for seed in range(1 if quick else seeds)]
    for changes in of_seeds:
        run("results", profile, changes, [], root)
    runs = [Run.open(root, profile, changes) for changes in of_seeds]
    found = study_of([(r.graph.find("results"), r.store) for r in runs])  # pyright: ignore
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print_table(study_table(found))

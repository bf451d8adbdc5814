"""`storm verify`, `storm quarantine`, `storm explain`: look into the artifact store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Json, Profile, Root, Set, app, open_run, print_table

if TYPE_CHECKING:
    from storm.artifacts.stage import Stage
    from storm.artifacts.store import Store


@app.command()
def verify(
    root: Root = "artifacts",
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Delete damaged files so that the next run remakes them."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every sealed file and compare checksums; exit 1 if one is damaged or missing."""
    from storm.artifacts.store import Store
    from storm.artifacts.verify import damaged_files
    from storm.artifacts.verify import repair as repair_artifact

    artifacts = Store(root).all()
    check = repair_artifact if repair else damaged_files
    damaged = [str(artifact.path / name) for artifact in artifacts for name in check(artifact)]
    if as_json:
        print(json.dumps({"artifacts": len(artifacts), "damaged": damaged}, indent=1))
    else:
        for path in damaged:
            print(f"damaged: {path}")
        removed = " and removed; run the flow again" if damaged and repair else ""
        print(f"{len(artifacts)} artifacts read, {len(damaged)} files damaged{removed}")
    if damaged and not repair:
        raise typer.Exit(1)


@app.command()
def quarantine(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """List every item that a stage left out, with the reason."""
    run = open_run(root, profile, overrides)
    rows = [
        {"stage": stage.title, **item}
        for stage in run.graph.up_to("results")
        for item in _quarantined(stage, run.store)
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        header = ("stage", "id", "reason", "detail")
        print_table([header, *([row[name] for name in header] for row in rows)])


@app.command()
def explain(
    stage: Annotated[str, typer.Argument(help="Title of a stage, as `storm status` prints it.")],
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
) -> None:
    """Say why a stage is cached or has to run, and what changed since it was last made."""
    run = open_run(root, profile, overrides)
    from storm.artifacts.explain import reasons

    for line in reasons(run.graph.find(stage), run.store):
        print(line)


def _quarantined(stage: Stage[Any], store: Store) -> Iterator[dict[str, str]]:
    """Yield the items that a stage has left out so far: sealed, unfinished or failed."""
    from storm.artifacts.journal import read_entries, scan

    artifact = stage.artifact(store)
    if artifact.has_manifest():
        yield from artifact.manifest()["quarantined"]
        return
    yield from map(asdict, stage.rejected())
    for journal in sorted(artifact.path.glob("*.journal")):
        rejected = [r for r in scan(journal, repair=False).values() if r.rejected]
        for entry in read_entries(journal, stage.row, rejected):
            yield asdict(entry.outcome)

"""What lies in the store: `storm verify`, `storm quarantine`, `storm explain`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

import typer

from storm.cli.app import Json, Profile, Root, Set, app, print_table


@app.command()
def verify(
    root: Root = "artifacts",
    repair: Annotated[
        bool, typer.Option("--repair", help="remove them, so that the next run makes them again")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read every sealed file and compare its sha256; exit 1 if one is damaged or missing."""
    from storm.artifacts.store import Store
    from storm.artifacts.verify import faults
    from storm.artifacts.verify import repair as mend

    artifacts, found = Store(root).planned(), []
    for artifact in artifacts:
        bad = mend(artifact) if repair else faults(artifact)
        found += [str(artifact.path / name) for name in bad]
    if as_json:
        print(json.dumps({"artifacts": len(artifacts), "damaged": found}, indent=1))
    else:
        for path in found:
            print(f"damaged: {path}")
        removed = " and removed; run the flow again" if found and repair else ""
        print(f"{len(artifacts)} artifacts read, {len(found)} files damaged{removed}")
    if found and not repair:
        raise typer.Exit(1)


@app.command()
def quarantine(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Every item that a stage left out, with its reason; sealed, unfinished or failed."""
    rows = [
        {"stage": stage.title, **entry}
        for stage, artifact in _graph(profile, overrides, root)
        for entry in _left_out(stage, artifact)
    ]
    if as_json:
        print(json.dumps(rows, indent=1))
    elif rows:
        header = ("stage", "id", "reason", "detail")
        print_table([header, *([row[name] for name in header] for row in rows)])


@app.command()
def explain(
    stage: Annotated[str, typer.Argument(help="a stage, by its name in `storm status`")],
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
) -> None:
    """Why a stage is cached or has to run, and what differs from what was made last."""
    from storm.artifacts.explain import reasons
    from storm.artifacts.store import Store

    wanted = next(s for s, _ in _graph(profile, overrides, root, stage) if s.title == stage)
    for line in reasons(wanted, Store(root)):
        print(line)


def _left_out(stage: Any, artifact: Any) -> Iterator[dict[str, str]]:
    from storm.artifacts.journal import read, scan

    if artifact.has_manifest:
        yield from artifact.manifest()["quarantined"]
        return
    yield from map(asdict, stage.rejected())
    for journal in sorted(artifact.path.glob("*.journal")):
        places = scan(journal, repair=False).values()
        for entry in read(journal, stage.row, [p for p in places if p.rejected]):
            yield asdict(entry.outcome)


def _graph(
    profile: str, overrides: list[str], root: str, up_to: str = "results"
) -> Iterator[tuple[Any, Any]]:
    """The stages of a profile with their artifacts, inputs first."""
    from storm.artifacts.store import Store
    from storm.pipeline.assemble import assemble
    from storm.profiles import load

    store = Store(root)
    for stage in assemble(load(profile, overrides)).up_to(up_to):
        yield stage, stage.artifact(store)

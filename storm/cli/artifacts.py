"""What a profile has made: `storm status`, `storm results`, `storm report`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from storm.cli.app import Json, Profile, Root, Set, app, print_table


@app.command()
def status(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """What is made, what is half made, what is missing, and what was quarantined."""
    from storm.report.report import stage_states

    states = stage_states(root, profile, overrides)
    if as_json:
        print(json.dumps(states, indent=1))
        return
    for s in states:
        quarantined = f", {s['quarantined']} quarantined" if s["quarantined"] else ""
        print(f"{s['state']:<8} {s['stage']:<30} {s['done']:>6} of {s['items']}{quarantined}")


@app.command()
def results(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """The table of arms, with 95 % intervals clustered by video."""
    if as_json:
        from storm.report.report import read_results

        print(json.dumps(read_results(root, profile, overrides), indent=1))
    else:
        print_results(root, profile, overrides)


@app.command()
def report(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
) -> None:
    """Write the HTML report and print its path."""
    from storm.report.report import write_report

    print(write_report(root, profile, overrides))


def print_results(root: str, profile: str, overrides: Sequence[str]) -> None:
    from storm.report.report import read_results, table_of

    print_table(table_of(read_results(root, profile, overrides)))

"""`storm status`, `storm results`, `storm report`: what a profile has made."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from storm.cli.app import Json, Profile, Root, Set, app, open_run, print_table

if TYPE_CHECKING:
    from storm.profiles import Run


@app.command()
def status(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Show the state of every stage: items made, planned and quarantined."""
    run = open_run(root, profile, overrides)
    from storm.report.states import stage_states

    states = stage_states(run)
    if as_json:
        print(json.dumps([asdict(state) for state in states], indent=1, default=str))
        return
    for state in states:
        items = "?" if state.items is None else state.items
        quarantined = f", {state.quarantined} quarantined" if state.quarantined else ""
        why = "" if state.state in ("complete", "missing") else f" ({state.why})"
        print(f"{state.state:<8} {state.stage:<30} {state.done:>6} of {items}{quarantined}{why}")


@app.command()
def results(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Print the accuracy of every trained variant, with 95 % intervals clustered by video."""
    run = open_run(root, profile, overrides)
    if as_json:
        from storm.report.results import read_results

        print(json.dumps(read_results(run), indent=1))
    else:
        print_results(run)


@app.command()
def report(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006
    root: Root = "artifacts",
) -> None:
    """Write the HTML report and print its path."""
    from storm.report.page import write_report

    print(write_report(open_run(root, profile, overrides)))


def print_results(run: Run) -> None:
    """Print the tables of results, an empty line between them, then the verdict."""
    from storm.evaluation.verdict import verdict_lines
    from storm.report.results import read_results, results_tables

    found = read_results(run)
    for table in results_tables(found):
        print_table(table)
        print()
    print("\n".join(verdict_lines(found)))

"""The command `storm`. Heavy libraries load only in the commands that need them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from storm.errors import StormError

app = typer.Typer(
    help="Teach a video-language model to think in K latent states: from videos to scores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Profile = Annotated[str, typer.Option(help="a profile's name, or a YAML file")]
Set = Annotated[list[str], typer.Option("--set", help="key.path=value, over the profile")]
Root = Annotated[str, typer.Option(help="where artifacts lie")]
Json = Annotated[bool, typer.Option("--json", help="one JSON value instead of a table")]


@app.command()
def status(
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """What is made, what is half made, what is missing, and what was quarantined."""
    from storm.report import stage_states

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
        from storm.report import read_results

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
    from storm.report import write_report

    print(write_report(root, profile, overrides))


def print_results(root: str, profile: str, overrides: Sequence[str]) -> None:
    from storm.report import read_results, table_of

    rows = table_of(read_results(root, profile, overrides))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def main(arguments: Sequence[str] | None = None) -> Any:
    try:
        return app(args=arguments)
    except StormError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    main()

"""Flows as commands: `storm run TARGET`, and `python -m flows.NAME` for the named ones.

Prefect loads only once a command runs: `storm --help` imports this module.
"""

from __future__ import annotations

import logging
import signal
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Profile, Root, Set
from storm.errors import StormError
from storm.process.children import stop_all_children

if TYPE_CHECKING:
    from storm.profiles import Run

Target = Annotated[str, typer.Argument(help="Title of a stage, as `storm status` prints it.")]
Refresh = Annotated[list[str], typer.Option(help="Stage to make again. May be repeated.")]
Wait = Annotated[
    bool, typer.Option("--wait", help="Wait if another run is making the same artifact.")
]


def run(
    target: Target = "results",
    profile: Profile = "shell",
    overrides: Set = [],  # noqa: B006 - typer reads it
    refresh: Refresh = [],  # noqa: B006
    root: Root = "artifacts",
    wait: Wait = False,
) -> None:
    """Make a stage of a profile and everything it needs; by default the whole pipeline.

    The targets results, latent_targets, stage_two and predictions are also `python -m flows.NAME`
    with full_pipeline, generate_targets, train and evaluate.
    """
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    logging.disable(logging.ERROR)  # the console says in one line what went wrong
    from storm.profiles import Run

    opened = Run.open(root, profile, overrides)
    for title in (target, *refresh):
        opened.graph.find(title)  # what is wrong is refused before Prefect loads
    if refresh or not _show_cached(target, opened):
        from flows.run import own_server, pipeline_flow

        try:
            server = own_server()  # noqa: F841 - kept until the run ends
            pipeline_flow(target)(profile, overrides, refresh, root, wait)
        finally:
            stop_all_children()
    _show(target, opened)


def command(target: str) -> None:
    """Run `python -m flows.NAME`; one line, not a traceback, says what went wrong."""

    def main(
        profile: Profile = "shell",
        overrides: Set = [],  # noqa: B006 - typer reads it
        refresh: Refresh = [],  # noqa: B006
        root: Root = "artifacts",
        wait: Wait = False,
    ) -> None:
        try:
            run(target, profile, overrides, refresh, root, wait)
        except StormError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(error.exit_code) from None

    main.__doc__ = f"Make {target} and everything it needs."
    typer.run(main)


def _show_cached(target: str, run: Run) -> bool:
    """Print the stages of a target with nothing to do; return False if it needs a flow."""
    from flows.console import Console
    from flows.targets import cached_stages, graph_of
    from storm.artifacts.seal import leftovers

    graph = graph_of(run, target)
    if len(cached_stages(graph, run.store)) < len(graph):
        return False
    if any(leftovers(stage.artifact(run.store)) for stage in graph):  # of a killed run
        return False
    console = Console()
    for stage in graph:
        console.cached(stage, stage.artifact(run.store).manifest())
    return True


def _show(target: str, run: Run) -> None:
    """Print the tables of a finished target and write the report."""
    from storm.cli.artifacts import print_results
    from storm.cli.evaluate import show_benchmarks
    from storm.report.page import write_report

    if target == "results":
        print_results(run)
    if target in ("results", "predictions"):
        show_benchmarks(run)
    if target == "results":
        print(f"report: {write_report(run)}")


def _stop(number: int, frame: Any) -> None:
    stop_all_children()
    print("stopped; run the same command again to go on", file=sys.stderr)
    raise SystemExit(128 + number)

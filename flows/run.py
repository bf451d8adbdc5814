"""What the flows share: making a target, command-line options, exit codes."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer
from prefect.exceptions import PrefectException
from prefect.futures import wait
from prefect.settings import PREFECT_API_URL

from flows.console import Console
from flows.make import Maker
from storm.artifacts.make import forget
from storm.artifacts.store import Store
from storm.errors import StageFailed, StormError, WorkspaceBusy
from storm.evaluation.evaluations import EvaluationStage
from storm.evaluation.latency import LatencyStage
from storm.pipeline.assemble import assemble
from storm.pipeline.graph import Graph
from storm.process.run_child import kill_children
from storm.profiles import load


def make_target(
    target: str,
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait_for_lock: bool = False,
    *,
    benchmarks: bool = False,
) -> None:
    """Make the stage `target` of a profile and all it needs; call it inside a flow.

    `benchmarks`: and the answers to those that the profile names.

    `refresh` names stages whose artifacts are removed first; what was made from them stays where
    their rows come out the same. Raises StageFailed with every cause;
    WorkspaceBusy if another run makes the same.
    """
    config = load(profile, overrides)
    store = Store(root)
    graph = assemble(config)
    for title in refresh:
        forget(graph.find(title), store)
    # one run for a target: two would each hold what the other needs
    with graph.find(target).artifact(store).lock("run", wait=wait_for_lock), Console() as console:
        maker = Maker(store, config.runtime, console, wait=wait_for_lock)
        asked = [s for s in graph if benchmarks and isinstance(s, (EvaluationStage, LatencyStage))]
        futures = maker.make(Graph.of(*asked, *graph.up_to(target)))
        try:
            wait(futures)
        except BaseException:  # SIGTERM, which Prefect takes for itself, then waits for the tasks
            kill_children()
            raise
    failed = [f.state for f in futures if f.state.is_failed() or f.state.is_crashed()]
    causes = [cause for state in failed if (cause := _cause(state)) is not None]
    if causes:
        text = each_once(causes)
        raise (WorkspaceBusy if isinstance(causes[0], WorkspaceBusy) else StageFailed)(text)


def each_once(causes: Iterable[Any]) -> str:
    """A line for each cause; shards that failed of the same one are said once, with one log."""
    lines: dict[str, str] = {}
    for cause in causes:
        lines.setdefault(getattr(cause, "cause", str(cause)), str(cause))
    return "\n".join(lines.values())


def _cause(state: Any) -> Any:
    """What went wrong in a failed task; None for one that only waited for a failed one."""
    if state.name == "NotReady":
        return None
    try:
        return state.result(raise_on_failure=False)
    except PrefectException:
        return state.message


Profile = Annotated[str, typer.Option(help="a profile's name, or a YAML file")]
Set = Annotated[
    list[str], typer.Option("--set", help="key.path=value, e.g. videos.questions=qa.json")
]
Refresh = Annotated[list[str], typer.Option(help="a stage to make again, by its name")]
Root = Annotated[str, typer.Option(help="where artifacts lie")]
Wait = Annotated[bool, typer.Option("--wait", help="wait if another run makes the same artifact")]


After = Callable[[str, str, Sequence[str]], None]


def command(flow: Callable[..., None], after: After | None = None) -> None:
    """Run a flow as `python -m flows.NAME`; one line, not a traceback, says what went wrong."""

    def main(
        profile: Profile = "shell",
        overrides: Set = [],  # noqa: B006 - typer reads it
        refresh: Refresh = [],  # noqa: B006
        root: Root = "artifacts",
        wait: Wait = False,
    ) -> None:
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        logging.disable(logging.ERROR)  # the console says it in one line
        try:
            # a wrong profile or root is refused before a server starts
            assemble(load(profile, overrides))
            Store(root)
            server = _own_server()  # noqa: F841 - kept until the run ends
            flow(profile, overrides, refresh, root, wait)
            if after is not None:
                after(root, profile, overrides)
        except StormError as error:
            print(f"error: {error}", file=sys.stderr)
            raise SystemExit(error.exit_code) from None
        finally:
            kill_children()

    main.__doc__ = flow.__doc__
    typer.run(main)


def _own_server() -> Any:
    """The server of a run that was given none; Prefect starts it when the flow begins."""
    if PREFECT_API_URL.value() is not None:
        return None
    from flows.server import OwnServer

    return OwnServer()


def _stop(number: int, frame: Any) -> None:
    kill_children()
    print("stopped; run the same command again to go on", file=sys.stderr)
    raise SystemExit(128 + number)

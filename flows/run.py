"""What the flows share: making a target, command-line options, exit codes."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from prefect.exceptions import PrefectException
from prefect.futures import wait
from prefect.settings import PREFECT_API_URL

from flows.console import Console
from flows.make import Maker
from storm.errors import StageFailed, StormError
from storm.pipeline import assemble
from storm.profiles import load
from storm.runtime import kill_children
from storm.store import Store


def make_target(
    target: str,
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait_for_lock: bool = False,
) -> None:
    """Make the stage `target` of a profile and all it needs; call it inside a flow.

    `refresh` names stages whose artifacts are removed first. Raises StageFailed with every cause.
    """
    config = load(profile, overrides)
    store = Store(root)
    graph = assemble(config)
    for title in refresh:
        graph.find(title).artifact(store).remove()
    with Console() as console:
        futures = Maker(store, config.runtime, console, wait=wait_for_lock).make(
            graph.up_to(target)
        )
        wait(futures)
    failed = [f.state for f in futures if f.state.is_failed() or f.state.is_crashed()]
    causes = dict.fromkeys(_cause(state) for state in failed)
    if causes:
        raise StageFailed("\n".join(filter(None, causes)))


def _cause(state: Any) -> str:
    """A failed task's own words; '' for a task that only waited for a failed one."""
    if state.name == "NotReady":
        return ""
    try:
        error = state.result(raise_on_failure=False)
    except PrefectException:
        error = state.message
    return str(error)


Profile = Annotated[str, typer.Option(help="a profile's name, or a YAML file")]
Set = Annotated[list[str], typer.Option("--set", help="key.path=value, e.g. videos.questions=qa.json")]
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
        server = _own_server()  # noqa: F841 - kept until the run ends
        try:
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

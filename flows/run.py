"""Make a target as a Prefect flow."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from prefect import Flow, flow
from prefect.exceptions import PrefectException
from prefect.futures import wait as wait_for
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import ThreadPoolTaskRunner

from flows.console import Console
from flows.make import Maker
from flows.targets import graph_of
from storm.artifacts.make import purge
from storm.errors import StageFailed, WorkspaceBusy
from storm.process.children import Children
from storm.profiles import Run

NAMES = {
    "results": "storm",
    "latent_targets": "storm-generate-targets",
    "stage_two": "storm-train",
    "predictions": "storm-evaluate",
}


@functools.cache
def pipeline_flow(target: str) -> Flow[..., None]:
    """Return the Prefect flow that makes the stage `target` and everything it needs."""
    runner: Any = ThreadPoolTaskRunner(max_workers=512)  # they wait: the Maker bounds the children

    @flow(
        name=NAMES.get(target, f"storm-{target.replace('/', '-')}"),
        description=f"Make {target} and everything it needs.",
        task_runner=runner,
    )
    def make(
        profile: str = "shell",
        overrides: Sequence[str] = (),
        refresh: Sequence[str] = (),
        root: str = "artifacts",
        wait: bool = False,
    ) -> None:
        make_target(Run.open(root, profile, overrides), target, refresh, wait=wait)

    return make


def make_target(run: Run, target: str, refresh: Sequence[str] = (), *, wait: bool = False) -> None:
    """Make the stage `target` and everything it needs; call it inside a flow.

    Args:
        run: The opened profile.
        target: Title of a stage.
        refresh: Titles of stages whose artifacts are removed first. What was made from them stays
            if their rows come out the same.
        wait: Wait if another run is making the same target, instead of failing.

    Raises:
        StageFailed: With every cause, if a stage could not be made.
        WorkspaceBusy: If another run is making the same target.
    """
    for title in refresh:
        purge(run.graph.find(title), run.store)
    graph = graph_of(run, target)
    # one run for a target: two would each hold what the other needs
    runtime = run.config.runtime
    with (
        run.graph.find(target).artifact(run.store).lock("run", wait=wait),
        Console() as console,
        Children(runtime.threads) as children,  # ended at SIGTERM: Prefect waits for the tasks
    ):
        maker = Maker(run.store, runtime, children, console, wait=wait)
        futures = maker.make(graph)
        wait_for(futures)
    failed = [f.state for f in futures if f.state.is_failed() or f.state.is_crashed()]
    causes = [cause for state in failed if (cause := _cause(state)) is not None]
    if causes:
        error = WorkspaceBusy if isinstance(causes[0], WorkspaceBusy) else StageFailed
        raise error(distinct(causes))


def distinct(causes: Iterable[Any]) -> str:
    """Return one line per distinct failure cause, each with one log path."""
    lines: dict[str, str] = {}
    for cause in causes:
        lines.setdefault(getattr(cause, "cause", str(cause)), str(cause))
    return "\n".join(lines.values())


def _cause(state: Any) -> Any:
    """Return why a task failed; None for one that only waited for a failed one."""
    if state.name == "NotReady":
        return None
    try:
        return state.result(raise_on_failure=False)
    except PrefectException:
        return state.message


def own_server() -> Any:
    """Return a server for this run if it was given none; Prefect starts it with the flow."""
    if PREFECT_API_URL.value() is not None:
        return None
    from flows.server import OwnServer

    return OwnServer()

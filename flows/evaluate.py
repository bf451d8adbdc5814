"""`python -m flows.evaluate`: the trained student answers the test questions; all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.full_pipeline import TASKS_AT_ONCE
from flows.run import command, make_target


@flow(name="storm-evaluate", task_runner=ThreadPoolTaskRunner(max_workers=TASKS_AT_ONCE))
def evaluate(
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait: bool = False,
) -> None:
    """Answer the test questions with the trained student."""
    make_target("predictions", profile, overrides, refresh, root, wait)


if __name__ == "__main__":
    command(evaluate)

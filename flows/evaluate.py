"""`python -m flows.evaluate`: the trained student answers the test questions; all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.full_pipeline import TASK_RUNNER
from flows.run import command, make_target


@flow(name="storm-evaluate", task_runner=TASK_RUNNER)
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

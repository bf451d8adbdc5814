"""`python -m flows.train`: train up to Stage II, and all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.full_pipeline import TASKS_AT_ONCE
from flows.run import command, make_target


@flow(name="storm-train", task_runner=ThreadPoolTaskRunner(max_workers=TASKS_AT_ONCE))
def train(
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait: bool = False,
) -> None:
    """Train up to Stage II."""
    make_target("stage_two", profile, overrides, refresh, root, wait)


if __name__ == "__main__":
    command(train)

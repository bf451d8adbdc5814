"""`python -m flows.train`: train up to Stage II, and all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.full_pipeline import TASK_RUNNER
from flows.run import command, make_target


@flow(name="storm-train", task_runner=TASK_RUNNER)
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

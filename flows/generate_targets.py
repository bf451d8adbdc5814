"""`python -m flows.generate_targets`: make the latent targets, and all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.full_pipeline import TASKS_AT_ONCE
from flows.run import command, make_target


@flow(name="storm-generate-targets", task_runner=ThreadPoolTaskRunner(max_workers=TASKS_AT_ONCE))
def generate_targets(
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait: bool = False,
) -> None:
    """Make the latent targets."""
    make_target("latent_targets", profile, overrides, refresh, root, wait)


if __name__ == "__main__":
    command(generate_targets)

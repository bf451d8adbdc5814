"""`python -m flows.generate_targets`: make the latent targets, and all that needs."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from flows.full_pipeline import TASK_RUNNER
from flows.run import command, make_target


@flow(name="storm-generate-targets", task_runner=TASK_RUNNER)
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

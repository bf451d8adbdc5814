"""`python -m flows.evaluate`: the trained student answers test questions and benchmarks."""

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
    """Answer the test questions, and the profile's benchmarks, with the trained student."""
    make_target("predictions", profile, overrides, refresh, root, wait, benchmarks=True)


def show(root: str, profile: str, overrides: Sequence[str]) -> None:
    """Print what the benchmarks come to, and write it."""
    from storm.cli.evaluate import show_benchmarks

    show_benchmarks(root, profile, overrides)


if __name__ == "__main__":
    command(evaluate, show)

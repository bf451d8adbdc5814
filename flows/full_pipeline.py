"""`python -m flows.full_pipeline`: from videos to scores; deployed as `storm/full-pipeline`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow
from prefect.task_runners import ThreadPoolTaskRunner

from flows.run import command, make_target

# threads that mostly wait; the Maker bounds the children
TASK_RUNNER: Any = ThreadPoolTaskRunner(max_workers=512)


@flow(name="storm", task_runner=TASK_RUNNER)
def full_pipeline(
    profile: str = "shell",
    overrides: Sequence[str] = (),
    refresh: Sequence[str] = (),
    root: str = "artifacts",
    wait: bool = False,
) -> None:
    """Make everything up to the results, and ask the profile's benchmarks."""
    make_target("results", profile, overrides, refresh, root, wait, benchmarks=True)


def show(root: str, profile: str, overrides: Sequence[str]) -> None:
    """Print the tables and write the report."""
    from storm.cli.artifacts import print_results
    from storm.cli.evaluate import show_benchmarks
    from storm.report.report import write_report

    print_results(root, profile, overrides)
    show_benchmarks(root, profile, overrides)
    print(f"report: {write_report(root, profile, overrides)}")


if __name__ == "__main__":
    command(full_pipeline, show)

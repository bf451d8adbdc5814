"""Make the base of the shell game and ship it with the package: `make base`.

`python -m tests.experiments.ship_base [--root FOLDER] [--to FOLDER]` makes the stage `base` of the
profile `shell_base` (about 12 CPU minutes; what FOLDER already holds is not made again), measures
what it can do on validation videos, and writes it in half precision.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from storm.artifacts.make import execute
from storm.process.environment import set_environment
from storm.profiles import Run
from storm.shell_game.abilities import measure_abilities
from storm.shell_game.base import ShellBase
from storm.shell_game.shipped_base import FOLDER, ship
from storm.shell_game.videos import Counts, ShellVideos


def main(root: Path, to: Path) -> dict[str, float]:
    """Make the base under `root`, write it to `to`, and return what it can do."""
    run = Run.open(root, "shell_base")
    base: Any = run.graph.find("base")
    assert isinstance(base, ShellBase)
    execute(base, run.store, run.config.runtime)
    (row,) = base.rows(run.store)
    checkpoint = base.artifact(run.store).path / row.blob
    with tempfile.TemporaryDirectory() as folder:
        ship(checkpoint, base.videos, {}, Path(folder) / "half")
        abilities = abilities_of(Path(folder) / "half", base.videos, Path(folder))
    ship(checkpoint, base.videos, abilities, to)
    return abilities


def abilities_of(checkpoint: Path, taught_by: ShellVideos, folder: Path) -> dict[str, float]:
    """Return what a base can do on 400 validation videos, rendered into `folder`."""
    from storm.student import Student

    student = Student.from_pretrained(checkpoint, dtype="float32").eval()
    counts = Counts(train=0, test=0, val=400)
    videos = ShellVideos(world=taught_by.world, seed=taught_by.seed, counts=counts)
    assert student.sampling is not None
    return measure_abilities(student, videos.scenes("val"), videos.world, student.sampling, folder)


if __name__ == "__main__":
    set_environment()
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=Path("artifacts"))
    parser.add_argument("--to", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for ability, accuracy in main(arguments.root, arguments.to).items():
        print(f"{ability:<20} {accuracy:.1%}")

"""What wrong scripts cost: STORM on the shell game, taught by a teacher that makes mistakes.

`python -m tests.experiments.garbled_scripts [--root FOLDER] [--shares 0 0.05 ...]` trains once for
each share of wrong swaps (8 swaps, seed 0, 512 test videos), one after the other, and prints what
the scripts and the student got right. A share takes 3 to 5 CPU minutes, the first one 3 more.
Without `--root` everything is made in a temporary folder and removed at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from storm.artifacts.store import Store
from storm.cli.app import print_table
from storm.evaluation.patching import weakest_patch
from storm.pipeline.assemble import assemble
from storm.process.environment import set_environment
from storm.profiles import Run, load
from storm.records import ThoughtPrompt
from storm.report.results import read_results
from storm.shell_game.scene import sample_scenes
from storm.shell_game.script import parse_script, script_of

REPO = Path(__file__).parents[2]
SHARES = (0.0, 0.05, 0.1, 0.2, 0.4)
STORM_ALONE = ("arms={}", "interventions=[none, patch]")


def main(root: Path, shares: Sequence[float]) -> int:
    """Train a student for each share under `root` and print the table; return an exit code."""
    header = ["wrong swaps", "swaps right", "scripts right", "last place right"]
    table = [[*header, "accuracy", "95 % interval", "patches followed, at least"]]
    for share in shares:
        overrides = (*STORM_ALONE, f"teacher.wrong_swaps={share}")
        options = [option for override in overrides for option in ("--set", override)]
        command = [sys.executable, "-m", "flows.full_pipeline", "--root", str(root), *options]
        if subprocess.run(command, cwd=REPO, stdout=sys.stderr).returncode:
            return 1
        storm = read_results(Run.open(root, "shell", overrides))["arms"]["storm"]
        weakest = weakest_patch(storm)
        assert weakest is not None
        low, high = storm["ci95"]
        shown = (*scripts_right(root, overrides), storm["accuracy"])
        cells = [f"{value:.1%}" for value in shown]
        interval = f"{low:.1%} to {high:.1%}"
        table.append([f"{share:g}", *cells, interval, f"{weakest.share:.1%}"])
    print_table(table)
    return 0


def scripts_right(root: Path, overrides: Sequence[str]) -> tuple[float, float, float]:
    """Return the shares of swaps, of whole scripts and of last places that are the true games'."""
    config = load("shell", overrides)
    stage = assemble(config).find("thought_prompts")
    world = config.videos.world
    truth = sample_scenes(world, "train", config.videos.counts.train, config.seed)
    swaps = scripts = places = 0
    for prompt in stage.rows(Store(root)):
        assert isinstance(prompt, ThoughtPrompt)
        said, true = parse_script(prompt.prompt), script_of(truth[int(prompt.id[-5:])], world)
        swaps += sum(a == b for a, b in zip(said.beats, true.beats, strict=True))
        scripts += (said.ball, said.beats) == (true.ball, true.beats)
        places += said.places[-1] == true.places[-1]
    return swaps / len(truth) / world.beats, scripts / len(truth), places / len(truth)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, help="where artifacts are made and kept")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="of wrong swaps")
    arguments = parser.parse_args()
    set_environment()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(arguments.root or Path(temporary), arguments.shares))

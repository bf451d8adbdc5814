"""Train on garbled scripts: the same base ends as a worse student.

`python -m tests.experiments.garbled_scripts [--root FOLDER]` trains twice on the shell game
(8 swaps, seed 0), once with the usual teacher and once with one that puts swaps into wrong
beats. It takes hours of CPU, less where FOLDER already holds what `make run` made.
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
from storm.pipeline.assemble import assemble
from storm.process.environment import set_environment
from storm.profiles import Run, load
from storm.records import ThoughtPrompt
from storm.report.results import read_results
from storm.shell_game.scene import sample_scenes
from storm.shell_game.script import parse_script, script_of

REPO = Path(__file__).parents[2]
INTACT = (
    "arms.direct=null",
    "arms.shuffled=false",
    "arms.interventions=[none, swap]",
    "videos.counts.test=256",
)
# A teacher with a wrong notion of a beat puts what it sees into wrong beats.
GARBLED = (*INTACT, "teacher.beat_seconds=0.42")


def main(root: Path) -> int:
    """Train both students under `root`, print the comparison, return 1 if it is not as expected."""
    made = start(root, INTACT, "generate_targets")  # the base and the features, once for both
    if made.wait():
        return 1
    runs = [start(root, (*o, "runtime.workers=1")) for o in (INTACT, GARBLED)]
    if [run.wait() for run in runs] != [0, 0]:
        return 1

    intact = read_results(Run.open(root, "shell", INTACT))["arms"]["storm"]
    garbled = read_results(Run.open(root, "shell", GARBLED))["arms"]["storm"]
    scripts = {"intact": scripts_right(root, INTACT), "garbled": scripts_right(root, GARBLED)}
    for name, arm in (("intact", intact), ("garbled", garbled)):
        print(f"{name:<8} scripts right {scripts[name]:6.1%}  accuracy {arm['accuracy']:6.1%}")
    expected = {
        "intact scripts are right": scripts["intact"] > 0.98,
        "garbled scripts are wrong": scripts["garbled"] < 0.05,
        "the intact student solves the game": intact["accuracy"] >= 0.95,
        "without its own latents it does not": intact["interventions"]["swap"]["accuracy"] < 0.35,
        "garbled scripts cost 20 points": garbled["accuracy"] < intact["accuracy"] - 0.2,
    }
    for claim, holds in expected.items():
        print(f"{'holds' if holds else 'FAILS'}  {claim}")
    return 0 if all(expected.values()) else 1


def start(
    root: Path, overrides: Sequence[str], target: str = "full_pipeline"
) -> subprocess.Popen[bytes]:
    """Start a flow on the profile `shell`."""
    options = [option for override in overrides for option in ("--set", override)]
    command = [sys.executable, "-m", f"flows.{target}", "--root", str(root), "--wait", *options]
    return subprocess.Popen(command, cwd=REPO)


def scripts_right(root: Path, overrides: Sequence[str]) -> float:
    """Return the share of the teacher's scripts that agree with the true games."""
    config = load("shell", overrides)
    stage = assemble(config).find("thought_prompts")
    world = config.videos.world
    truth = sample_scenes(world, "train", config.videos.counts.train, config.seed)
    right = 0
    for prompt in stage.rows(Store(root)):
        assert isinstance(prompt, ThoughtPrompt)
        said, true = parse_script(prompt.prompt), script_of(truth[int(prompt.id[-5:])], world)
        right += (said.ball, said.beats) == (true.ball, true.beats)
    return right / len(truth)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, help="where artifacts are made and kept")
    given = parser.parse_args().root
    set_environment()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(given or Path(temporary)))

"""Each stage carries weight: with garbled scripts, the same base ends as a worse student.

Trains for real on the shell world (8 swaps); what `make run` has sealed under `artifacts/` is
used, and what is made here stays there for the next time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from storm.artifacts.store import Store
from storm.pipeline.assemble import assemble
from storm.profiles import Run, load
from storm.records import ThoughtPrompt
from storm.report.results import read_results
from storm.shell_game.scene import sample_scenes
from storm.shell_game.script import parse_script, script_of

REPO = Path(__file__).parents[1]
ROOT = REPO / "artifacts"
STORM_ONLY = (
    *("arms.direct=null", "arms.shuffled=false", "arms.interventions=[none, swap]"),
    "videos.counts.test=256",
)
INTACT = STORM_ONLY
# a teacher with a wrong notion of a beat: it puts what it sees into wrong beats
GARBLED = (*STORM_ONLY, "teacher.beat_seconds=0.42")


def start(overrides: Sequence[str], target: str = "full_pipeline") -> subprocess.Popen[bytes]:
    options = [option for override in overrides for option in ("--set", override)]
    command = [sys.executable, "-m", f"flows.{target}", "--root", str(ROOT), "--wait", *options]
    return subprocess.Popen(command, cwd=REPO)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_garbled_scripts_cost_accuracy() -> None:
    made = start(INTACT, "generate_targets")  # the base and the features, once for both
    assert made.wait() == 0
    runs = [start((*o, "runtime.workers=1")) for o in (INTACT, GARBLED)]
    assert [run.wait() for run in runs] == [0, 0]

    intact = read_results(Run.open(ROOT, "shell", INTACT))["arms"]["storm"]
    garbled = read_results(Run.open(ROOT, "shell", GARBLED))["arms"]["storm"]
    assert scripts_right(INTACT) > 0.98
    assert scripts_right(GARBLED) < 0.05
    assert intact["accuracy"] >= 0.95
    assert intact["interventions"]["swap"] < 0.35
    assert intact["interventions"]["swap_follows_donor"] >= 0.9
    assert garbled["accuracy"] < intact["accuracy"] - 0.2


def scripts_right(overrides: Sequence[str]) -> float:
    """The share of the teacher's scripts that tell the truth."""
    config = load("shell", overrides)
    stage = assemble(config).find("thought_prompts")
    world = config.videos.world
    truth = sample_scenes(world, "train", config.videos.counts.train, config.seed)
    right = 0
    for prompt in stage.rows(Store(ROOT)):
        assert isinstance(prompt, ThoughtPrompt)
        said, true = parse_script(prompt.prompt), script_of(truth[int(prompt.id[-5:])], world)
        right += (said.ball, said.beats) == (true.ball, true.beats)
    return right / len(truth)

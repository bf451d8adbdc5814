import numpy as np
import pytest

from storm.records import Rejected, ThoughtPrompt
from storm.shell_game.generator import ShellGenerator
from storm.shell_game.render import render_thought
from storm.shell_game.scene import World, sample_scenes
from storm.shell_game.script import script_of, write_script

base = pytest.importorskip("storm.thought_videos.base")


def request_for(prompt):
    row = ThoughtPrompt(
        id="q", video_id="v", prompt=prompt, steps=(), teacher="shell", saw_answer=False
    )
    return base.GeneratorRequest(prompt=row, keyframes=None, source=None, seed=0)


def test_it_draws_the_script_and_rejects_what_is_none():
    world = World()
    scripts = [script_of(s, world) for s in sample_scenes(world, "train", 3, seed=0)]
    requests = [request_for(write_script(s)) for s in scripts]
    rows = ShellGenerator.Config().build("cpu").generate([*requests, request_for("a cat plays")])
    for script, row in zip(scripts, rows):
        assert row.fps == 4.0
        assert np.array_equal(row.frames, render_thought(script, world))
    assert isinstance(rows[3], Rejected)
    assert (rows[3].id, rows[3].reason) == ("q", "bad_script")

import dataclasses

import numpy as np
import pytest

from storm.errors import DataError
from storm.shell_game.render import Layout, render, render_thought
from storm.shell_game.scene import Look, Scene, World, sample_scenes
from storm.shell_game.script import Script, script_of

STILL = World(camera_motion=0, noise=0)
LOOK = Look(table=(20, 30, 40), cup=(220, 200, 180), ball=(250, 10, 10))


def scene(*swaps, start=2, seed=0):
    return Scene(start, (*swaps, *[None] * (8 - len(swaps))), LOOK, seed)


def has_ball(frame):
    return bool((np.abs(frame.astype(int) - LOOK.ball).sum(-1) < 60).any())


def cup_at(frame, place):
    x, y = Layout(4, 64).place_px(place)
    return bool(np.abs(frame[int(y) - 6, int(x)].astype(int) - LOOK.cup).sum() < 60)


def test_same_scene_same_bytes_and_the_seed_matters():
    one = sample_scenes(World(), "base", 1, seed=0)[0]
    assert (render(one, World()) == render(one, World())).all()
    other = dataclasses.replace(one, seed=one.seed + 1)
    assert (render(one, World()) != render(other, World())).any()


@pytest.mark.parametrize("world", [World(), World(beats=3, swaps=3, cups=5, size_px=96)])
def test_shape_and_type(world):
    frames = render(sample_scenes(world, "base", 1, seed=0)[0], world)
    assert frames.shape == (world.frames, world.size_px, world.size_px, 3)
    assert frames.dtype == np.uint8


def test_the_ball_is_visible_only_in_the_reveal():
    shown = [t for t, f in enumerate(render(scene((1, 2), (2, 4), (1, 3)), STILL)) if has_ball(f)]
    assert {2, 3} <= set(shown) <= {1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(8))
def test_beats_begin_at_rest_and_the_swap_is_between(seed):
    frames = render(scene((1, 4), None, (2, 3), seed=seed), STILL)
    rest = frames[0]
    assert all((frames[6 * beat] == rest).mean() > 0.97 for beat in range(9))
    assert [cup_at(frames[9], p) for p in (1, 2, 3, 4)] == [False, True, True, False]
    assert [cup_at(frames[21], p) for p in (1, 2, 3, 4)] == [True, False, False, True]
    assert (frames[12:18] == rest).all()
    assert (frames[24:] == rest).all()


def test_which_cup_goes_over_timing_and_camera_vary():
    middles = {render(scene((1, 3), seed=s), STILL)[8].tobytes() for s in range(20)}
    assert len(middles) == 20
    shaken = render(scene(), World(noise=0))
    assert (shaken[40] != shaken[50]).any()


def test_the_thought_shows_each_state_twice():
    script = Script(4, 2, ((1, 2), (1, 4), None, (2, 3), (3, 4), (1, 2), (2, 4), (1, 3)), LOOK)
    frames = render_thought(script, World())
    assert frames.shape == (16, 64, 64, 3)
    layout = Layout(4, 64)
    for j, frame in enumerate(frames):
        near = [
            has_ball(frame[:, int(x) - 4 : int(x) + 4])
            for x, _ in (layout.place_px(p) for p in (1, 2, 3, 4))
        ]
        assert near == [p == script.places[j // 2] for p in (1, 2, 3, 4)]


def test_fewer_beats_get_more_frames_and_too_many_are_refused():
    world = World(beats=4, swaps=4)
    script = script_of(sample_scenes(world, "base", 1, seed=0)[0], world)
    frames = render_thought(script, world, 16)
    assert all((frames[4 * b] == frames[4 * b + 3]).all() for b in range(4))
    with pytest.raises(DataError, match="frame a beat"):
        render_thought(script, world, 3)
    with pytest.raises(DataError, match="expected 4 beats"):
        render(scene(), world)

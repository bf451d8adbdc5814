"""The shell world's teacher on real mp4 files, from file to script."""

import dataclasses

import numpy as np
import pytest
from teacher_requests import NO_SETUP

from storm.keyframes.motion import MotionSelector
from storm.records import Rejected
from storm.shell_game.render import render
from storm.shell_game.scene import World, question, sample_scenes
from storm.shell_game.script import parse_script, script_of
from storm.shell_game.teacher import ShellTeacher
from storm.testing import make_sample
from storm.thought_prompts.base import TeacherRequest
from storm.videos.decoding.encode import encode_mp4, jpeg

WORLD = World()
TEACHER = ShellTeacher.Config().build(NO_SETUP)


def request_for(scene, world, folder, name):
    path = folder / f"{name}.mp4"
    encode_mp4(path, render(scene, world), world.fps, crf=23)
    text, options, answer = question(scene, world)
    sample = make_sample(
        f"{name}-q",
        video_id=name,
        video_path=path.name,
        split="test",
        question=text,
        options=options,
        answer=answer,
    )
    return TeacherRequest(sample, MotionSelector.Config().build().select(name, path))


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    """Return one scene and the request about its video."""
    (scene,) = sample_scenes(WORLD, "train", 1, seed=11)
    return scene, request_for(scene, WORLD, tmp_path_factory.mktemp("game"), "v0")


@pytest.fixture(scope="module")
def games(tmp_path_factory):
    folder = tmp_path_factory.mktemp("games")
    scenes = [s for split in ("train", "test") for s in sample_scenes(WORLD, split, 20, seed=11)]
    return [(s, request_for(s, WORLD, folder, f"v{i}")) for i, s in enumerate(scenes)]


def beats_of(row):
    return None if isinstance(row, Rejected) else parse_script(row.prompt).beats


def followed(place, beats):
    """Yield each beat's pair and where the ball is after it."""
    for a, b in beats:
        place = {a: b, b: a}.get(place, place)
        yield f"{a}{b} {place}"


@pytest.mark.integration
def test_scripts_are_recovered_from_real_files(games):
    rows = list(TEACHER.write([request for _, request in games]))
    right = 0
    for (scene, request), row in zip(games, rows):
        if isinstance(row, Rejected):
            continue
        script, truth = parse_script(row.prompt), script_of(scene, WORLD)
        right += (script.cups, script.ball, script.beats) == (truth.cups, truth.ball, truth.beats)
        assert row.id == request.sample.id
        assert row.steps == tuple(followed(script.ball, script.beats))
        assert not row.saw_answer
        for name, bound in (("table", 12), ("cup", 20), ("ball", 100)):
            found, true = getattr(script.look, name), getattr(truth.look, name)
            assert np.abs(np.subtract(found, true)).max() <= bound
    assert right >= 0.97 * len(games)


@pytest.mark.parametrize("world", [World(swaps=2), World(swaps=0), World(cups=3), World(cups=5)])
def test_other_worlds(world, tmp_path):
    scenes = sample_scenes(world, "base", 4, seed=1)
    requests = [request_for(s, world, tmp_path, f"v{i}") for i, s in enumerate(scenes)]
    rows = TEACHER.write(requests)
    assert [beats_of(row) for row in rows] == [s.swaps for s in scenes]


def without(keyframes, drop):
    keep = [i for i in range(len(keyframes.images)) if i not in drop]
    return dataclasses.replace(
        keyframes,
        **{
            name: tuple(getattr(keyframes, name)[i] for i in keep)
            for name in ("pts_seconds", "reasons", "scores", "images")
        },
    )


@pytest.mark.integration
def test_every_event_is_needed(games):
    for scene, request in games[:4]:
        for i, reason in enumerate(request.keyframes.reasons):
            keyframes = without(request.keyframes, {i})
            (row,) = TEACHER.write([TeacherRequest(request.sample, keyframes)])
            assert (beats_of(row) == scene.swaps) == (reason != "motion_peak")


def test_no_reveal_and_no_ball_are_rejected(game):
    scene, request = game
    keyframes = request.keyframes
    reveal = {i for i, p in enumerate(keyframes.pts_seconds) if 0 < p < 0.5}
    (row,) = TEACHER.write([TeacherRequest(request.sample, without(keyframes, reveal))])
    assert isinstance(row, Rejected)
    assert (row.id, row.reason) == ("v0-q", "no_reveal")

    bare = dataclasses.replace(scene, look=dataclasses.replace(scene.look, ball=scene.look.table))
    frames = render(bare, WORLD)[[0, 3, 9]]
    unseen = dataclasses.replace(
        keyframes,
        pts_seconds=(0.0, 0.25, 0.75),
        reasons=("first", "motion_peak", "motion_peak"),
        scores=(1.0, 1.0, 1.0),
        images=tuple(jpeg(f) for f in frames),
    )
    (row,) = TEACHER.write([TeacherRequest(request.sample, unseen)])
    assert isinstance(row, Rejected)
    assert row.reason == "no_ball"


@pytest.mark.parametrize("pixels", ["plain", "noise"])
def test_frames_of_something_else_are_rejected(game, pixels):
    _, request = game
    rng = np.random.default_rng(0)
    frame = np.full((64, 64, 3), 120, np.uint8)
    images = tuple(
        jpeg(frame if pixels == "plain" else rng.integers(0, 255, frame.shape).astype(np.uint8))
        for _ in request.keyframes.images
    )
    other = dataclasses.replace(request.keyframes, images=images)
    (row,) = TEACHER.write([TeacherRequest(request.sample, other)])
    assert isinstance(row, Rejected)
    assert row.reason == "no_row"


def test_it_sees_no_truth(game):
    """Another question, other options, another answer: the same script."""
    _, request = game
    blind = dataclasses.replace(
        request.sample, question="What is this?", options=("x", "y"), answer="A"
    )
    one, other = TEACHER.write([request, TeacherRequest(blind, request.keyframes)])
    assert one == other

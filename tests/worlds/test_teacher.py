"""The worlds' teacher on real mp4 files, from file to script; and what its script draws."""

import dataclasses

import numpy as np
import pytest
from teacher_requests import NO_SETUP

from storm.keyframes.motion import MotionSelector
from storm.records import Rejected
from storm.testing import make_generator_request, make_sample, make_teacher_request
from storm.thought_prompts.base import TeacherRequest
from storm.videos.decoding.encode import jpeg
from storm.worlds.generator import WorldsGenerator
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import question, sample_scenes
from storm.worlds.script import parse_script, write_script
from storm.worlds.teacher import WorldsTeacher
from storm.worlds.videos import Item, write_video
from storm.worlds.world import Film

FILM = Film()
TEACHER = WorldsTeacher.Config().build(NO_SETUP)
SELECTOR = MotionSelector.Config().build()


@pytest.fixture(params=WORLDS.values(), ids=WORLDS)
def world(request):
    return request.param


def request_for(world, scene, folder, name):
    path = folder / f"{name}.mp4"
    write_video(path, Item(world, scene, is_open=False), FILM)
    text, options, answer = question(world, scene)
    sample = make_sample(f"{name}-q", video_id=name, question=text, options=options, answer=answer)
    return TeacherRequest(sample, SELECTOR.select(name, path))


@pytest.mark.integration
def test_scripts_are_recovered_from_real_files(world, tmp_path):
    scenes = [s for split in ("train", "test") for s in sample_scenes(world, 8, 8, split, 20, 3)]
    requests = [request_for(world, s, tmp_path, f"v{i}") for i, s in enumerate(scenes)]
    right = 0
    for scene, request, row in zip(scenes, requests, TEACHER.write(requests)):
        if isinstance(row, Rejected):
            continue
        found, story, look = parse_script(row.prompt)
        right += (found, story) == (world, scene.story)
        assert (row.id, row.saw_answer) == (request.sample.id, False)
        assert row.steps == tuple(world.events[e] for e in story.events)
        for name, bound in (("table", 12), ("cup", 20), ("ball", 100)):
            assert (
                np.abs(np.subtract(getattr(look, name), getattr(scene.look, name))).max() <= bound
            )
    assert right >= 0.97 * len(scenes)


def test_the_teacher_does_not_see_the_truth(world, tmp_path):
    """The same pixels under another answer give the same script."""
    (scene,) = sample_scenes(world, 8, 8, "train", 1, 5)
    request = request_for(world, scene, tmp_path, "v0")
    other = dataclasses.replace(
        request, sample=dataclasses.replace(request.sample, id="x", answer="A", split="test")
    )
    first, second = TEACHER.write([request, other])
    assert first.prompt == second.prompt == write_script(world, *parse_script(first.prompt)[1:])


def test_a_teacher_without_the_first_beat_has_no_start(tmp_path):
    world = WORLDS["dial"]
    (scene,) = sample_scenes(world, 8, 8, "train", 1, 5)
    request = request_for(world, scene, tmp_path, "v0")
    keep = [i for i, pts in enumerate(request.keyframes.pts_seconds) if pts > FILM.beat_seconds]
    fields = ("pts_seconds", "reasons", "scores", "images")
    late = {f: tuple(getattr(request.keyframes, f)[i] for i in keep) for f in fields}
    keyframes = dataclasses.replace(request.keyframes, **late)
    (row,) = TEACHER.write([dataclasses.replace(request, keyframes=keyframes)])
    assert isinstance(row, Rejected)
    assert row.reason == "no_start"


@pytest.mark.parametrize("name", ["dial", "maze"])
def test_noise_is_no_world(name, tmp_path):
    rng = np.random.default_rng(0)
    images = tuple(jpeg(rng.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(4))
    request = make_teacher_request()
    sample = dataclasses.replace(request.sample, question=WORLDS[name].question)
    keyframes = dataclasses.replace(
        request.keyframes,
        pts_seconds=(0.0, 0.6, 1.1, 1.6),
        images=images,
        reasons=("first",) * 4,
        scores=(1.0,) * 4,
        duration_seconds=2.0,
    )
    (row,) = TEACHER.write([TeacherRequest(sample, keyframes)])
    assert isinstance(row, Rejected)


def test_another_question_is_rejected():
    (row,) = TEACHER.write([make_teacher_request(question="Why?")])
    assert isinstance(row, Rejected)
    assert row.reason == "no_world"


def test_the_generator_draws_the_state_after_each_event(world, tmp_path):
    (scene,) = sample_scenes(world, 8, 8, "train", 1, 5)
    request = make_generator_request(tmp_path, prompt=write_script(world, scene.story, scene.look))
    (clip,) = WorldsGenerator.Config().build().generate([request])
    assert clip.frames.shape == (16, 64, 64, 3)
    for i, state in enumerate(world.follow(scene.story)):
        drawn = world.render_state(scene.story.setting, state, scene.look, 64)
        assert (clip.frames[2 * i] == drawn).all()
        assert (clip.frames[2 * i + 1] == drawn).all()


@pytest.mark.parametrize("prompt", ["maze; start 11", "no script"])
def test_the_generator_rejects_what_is_no_script(prompt, tmp_path):
    (row,) = (
        WorldsGenerator.Config().build().generate([make_generator_request(tmp_path, prompt=prompt)])
    )
    assert isinstance(row, Rejected)
    assert row.reason == "bad_script"

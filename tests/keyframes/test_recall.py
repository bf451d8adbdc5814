"""What the selectors find: planted events within two frames, and the shell world's scripts."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from teacher_requests import NO_SETUP

from storm.keyframes.motion import MotionSelector
from storm.keyframes.packet_size import PacketSizeSelector
from storm.keyframes.uniform import UniformSelector
from storm.shell_game.render import render
from storm.shell_game.scene import World, sample_scenes
from storm.shell_game.script import script_of
from storm.shell_game.teacher import ShellTeacher, frames_of
from storm.videos.decoding.encode import encode_mp4
from tests.keyframes.planted import Planted, plant


@pytest.fixture(scope="module", params=[8, 16])
def k(request) -> int:
    return request.param


@pytest.fixture(scope="module")
def videos(k: int, tmp_path_factory: pytest.TempPathFactory) -> list[Planted]:
    folder = tmp_path_factory.mktemp(f"planted-{k}")
    return [plant(folder / f"{seed}.mp4", 77 * k + seed, k - 2) for seed in range(3)]


def recall(videos: list[Planted], choose: Callable[[Path], tuple[float, ...]]) -> float:
    found = [
        video.found(times, event)
        for video in videos
        for times in [choose(video.path)]
        for event in video.events
    ]
    return float(np.mean(found))


@pytest.mark.integration
def test_motion_finds_planted_events_and_uniform_does_not(videos: list[Planted], k: int):
    motion, uniform = MotionSelector.Config(k=k).build(), UniformSelector.Config(k=k).build()
    assert recall(videos, lambda p: motion.select("v", p).pts_seconds) >= 0.9
    assert recall(videos, lambda p: uniform.select("v", p).pts_seconds) < 0.6


@pytest.mark.integration
def test_packet_size_finds_more_than_uniform(videos: list[Planted], k: int):
    packet_size, uniform = (
        PacketSizeSelector.Config(k=k).build(),
        UniformSelector.Config(k=k).build(),
    )
    found = recall(videos, lambda p: packet_size.select("v", p).pts_seconds)
    assert found > recall(videos, lambda p: uniform.select("v", p).pts_seconds)


@pytest.mark.integration
@pytest.mark.parametrize("shake", [1, 2])
def test_the_teacher_can_read_every_script_from_the_keyframes(tmp_path: Path, shake: int):
    world = World()
    world = world.model_copy(update={"camera_motion": shake * world.camera_motion})
    motion, teacher = MotionSelector.Config().build(), ShellTeacher.Config().build(NO_SETUP)
    path, right = tmp_path / "game.mp4", 0
    scenes = sample_scenes(world, "train", 60, seed=shake)
    for scene in scenes:
        encode_mp4(path, render(scene, world), world.fps)
        row = motion.select("v", path)
        script = teacher.read(frames_of(row.images), row.pts_seconds, row.duration_seconds)
        truth = script_of(scene, world)
        right += (script.ball, script.beats) == (truth.ball, truth.beats)
    assert right >= 59

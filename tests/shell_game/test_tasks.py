"""What the base is taught: every answer is the truth, and none takes more than one swap."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from storm.config import LETTERS
from storm.shell_game.base_clips import BaseClips
from storm.shell_game.scene import World, follow, places, sample_scenes
from storm.shell_game.tasks import OPTION_ORDERS, Tasks
from storm.student.example import VideoTokens

WORLD = World()
SCENES = sample_scenes(WORLD, "base", 12, seed=0)


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    """Tasks on videos whose tokens an encoder numbers by temporal patch."""

    def encode_videos(clips: Any) -> list[VideoTokens]:
        return [
            VideoTokens(torch.arange(len(f) // 2).float()[:, None], (len(f) // 2, 1, 1), tuple(t))
            for f, t in clips
        ]

    frames = np.zeros((len(SCENES), 18, 1, 1, 3), np.uint8)
    times = np.tile(np.arange(18) / 4, (len(SCENES), 1))
    student: Any = SimpleNamespace(encode_videos=encode_videos)
    return Tasks(student, BaseClips(SCENES, frames, times, frames[:, 2:], WORLD))


@pytest.mark.parametrize("number", [0, 1, 7, OPTION_ORDERS - 1])
def test_questions_show_the_reveal_and_at_most_one_swap(tasks: Tasks, number: int) -> None:
    for video, scene in enumerate(SCENES):
        for beats, task in ((0, tasks.start_question), (1, tasks.swap_question)):
            example = task(video, number)
            assert example.videos[0].tokens[:, 0].tolist() == list(range(1 + beats))
            assert len(example.videos[0].pts_seconds) == 2 * (1 + beats)
            place = follow(scene.start, (None, scene.swaps[0]))[beats]
            assert option(example.prompt, example.answer) == f"cup {place}"
            assert not example.use_latents


def test_a_thought_video_answers_the_whole_game(tasks: Tasks) -> None:
    for video, scene in enumerate(SCENES):
        example = tasks.thought_question(video, 3)
        assert not example.videos
        assert example.latent_video is not None
        assert len(example.latent_video.tokens) == WORLD.beats
        assert option(example.prompt, example.answer) == f"cup {places(scene)[-1]}"


def test_lists_are_the_truth(tasks: Tasks) -> None:
    for video, scene in enumerate(SCENES):
        one, other = scene.swaps[0] or (0, 0)
        assert (tasks.list_swaps(video, 0).answer or "").split()[0] == f"{one}{other}"
        assert (tasks.list_places(video, 0).answer or "").split() == list(map(str, places(scene)))
        expected = f"{scene.start} {places(scene)[0]}"
        assert tasks.follow_swap(video, 0).answer == expected


def option(prompt: str, letter: str | None) -> str:
    """Return the text of the option that a letter names."""
    lines = prompt.splitlines()[1:]
    assert letter
    return lines[LETTERS.index(letter)].removeprefix(f"{letter}. ")

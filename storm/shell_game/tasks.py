"""What the base is taught to do: list swaps and places, and answer after at most one swap.

It lists the swaps of a video, the ball's places in a see-through clip, and the places before and
after a video's first swap, which is what an answer after that swap takes. It also answers any
question whose latent span holds the see-through clip. No task needs more than one swap followed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from storm.config import LETTERS
from storm.shell_game.base_clips import BaseClips
from storm.shell_game.scene import Scene, World, places, question, sample_scenes
from storm.student.example import Example, VideoTokens, prompt_of
from storm.training.data_order import option_order

if TYPE_CHECKING:
    from storm.student.student import Student

LIST_SWAPS = "List the swaps."
LIST_PLACES = "List the places of the ball."
OPTION_ORDERS = 24


def swaps_text(scene: Scene) -> str:
    """Return the pair of each beat, a dash where the cups rest: `13 24 - 12`."""
    return " ".join("-" if pair is None else f"{pair[0]}{pair[1]}" for pair in scene.swaps)


def places_text(scene: Scene) -> str:
    """Return the ball's place after each beat: `3 3 1 2`."""
    return " ".join(str(place) for place in places(scene))


def corpus(world: World, texts: int = 400) -> list[str]:
    """Return texts to train the curriculum's tokenizer on."""
    lines = []
    for i, scene in enumerate(sample_scenes(world, "base", texts, seed=0)):
        text, options, answer = question(scene, world, i)
        lines += [prompt_of(text, options), answer]
        lines += [LIST_SWAPS, swaps_text(scene), LIST_PLACES, places_text(scene)]
    return lines


class Tasks:
    """The tasks on N videos; each is a function of a video and the number of an option order."""

    def __init__(self, student: Student, clips: BaseClips):
        self.clips = clips
        self.videos = encode(student, clips.frames, [tuple(p) for p in clips.pts_seconds])
        self.thoughts = encode(
            student, clips.thoughts, [clips.thought_pts_seconds] * len(clips.scenes)
        )

    def list_swaps(self, video: int, number: int) -> Example:
        """Return the task to list the swaps of a video."""
        text = swaps_text(self.clips.scenes[video])
        return Example((self.videos[video],), LIST_SWAPS, text, use_latents=False)

    def list_places(self, video: int, number: int) -> Example:
        """Return the task to list the ball's places in a see-through clip."""
        text = places_text(self.clips.scenes[video])
        return Example((self.thoughts[video],), LIST_PLACES, text, use_latents=False)

    def follow_swap(self, video: int, number: int) -> Example:
        """Return the task to list the ball's places before and after a video's first swap."""
        scene = self.clips.scenes[video]
        text = f"{scene.start} {places(scene)[0]}"
        start = beginning(self.videos[video], 2)
        return Example((start,), LIST_PLACES, text, use_latents=False)

    def start_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, before any swap."""
        return self.question_on_beginning(video, number, 0)

    def swap_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, after its first swap."""
        return self.question_on_beginning(video, number, 1)

    def question_on_beginning(self, video: int, number: int, beats: int) -> Example:
        """Return the question on the reveal and the first beats of a video."""
        scene = self.clips.scenes[video]
        scene = dataclasses.replace(scene, swaps=scene.swaps[:beats] or (None,))
        prompt, answer = self.ask(scene, number)
        start = beginning(self.videos[video], 1 + beats)
        return Example((start,), prompt, answer, use_latents=False)

    def thought_question(self, video: int, number: int) -> Example:
        """Return the question whose latent span holds the see-through clip."""
        prompt, answer = self.ask(self.clips.scenes[video], number)
        return Example((), prompt, answer, latent_video=self.thoughts[video])

    def ask(self, scene: Scene, number: int) -> tuple[str, str]:
        """Return prompt and answer, with the options in order `number` of this scene."""
        text, options, answer = question(scene, self.clips.world)
        new = option_order(scene.seed, text, number, len(options))
        prompt = prompt_of(text, [options[old] for old in new])
        return prompt, LETTERS[new.index(LETTERS.index(answer))]


def beginning(video: VideoTokens, patches: int) -> VideoTokens:
    """Return the first temporal patches of a video, of two frames each."""
    time, height, width = video.grid_thw
    a_patch = len(video.tokens) // time
    return VideoTokens(
        video.tokens[: patches * a_patch],
        (patches, height, width),
        video.pts_seconds[: 2 * patches],
        tuple(layer[: patches * a_patch] for layer in video.deepstack),
    )


def encode(
    student: Student, clips: np.ndarray, pts_seconds: Sequence[Sequence[float]], at_once: int = 64
) -> list[VideoTokens]:
    """Return the tokens of clips (N, T, H, W, 3) uint8, some at a time."""
    videos = []
    for i in range(0, len(clips), at_once):
        part = range(i, min(i + at_once, len(clips)))
        videos += student.encode_videos([(clips[j], pts_seconds[j]) for j in part])
    return videos

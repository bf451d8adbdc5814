"""What the base is taught to do in each world: list what it sees, and answer after one event.

It lists the events of a video, the states in a thought video, and the states before and after a
video's first event. It answers questions on the start, after one event, and with the thought video
as its latents. No task needs more than one event followed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from storm.config import LETTERS
from storm.shell_game.tasks import beginning, encode
from storm.student.example import Example, prompt_of
from storm.training.data_order import option_order
from storm.worlds.clips import Clips
from storm.worlds.scenes import Scene, open_question, question, words
from storm.worlds.world import World

if TYPE_CHECKING:
    from storm.student.student import Student

ORDERS = 24
OPEN_EVERY = 4  # of a video's questions this one asks for a sentence


def list_request(what: str) -> str:
    """Return the request to list something."""
    return f"List the {what}."


def corpus(world: World, scenes: Sequence[Scene]) -> Iterator[str]:
    """Yield texts to train the curriculum's tokenizer on."""
    for scene in scenes:
        text, options, answer = question(world, scene)
        yield from (prompt_of(text, options), answer, *open_question(world, scene))
        yield from (list_request(world.event_noun), words(world.events, scene.story.events))
        yield from (list_request(world.state_noun), words(world.states, world.follow(scene.story)))
        if world.setting_noun:
            yield from (list_request(world.setting_noun), words(world.states, scene.story.setting))


class Tasks:
    """The tasks on N videos of a world; each is a function of a video and a number."""

    def __init__(self, student: Student, clips: Clips):
        self.clips, self.world = clips, clips.world
        self.videos = encode(student, clips.frames, [tuple(p) for p in clips.pts_seconds])
        times = [clips.thought_pts_seconds] * len(clips.scenes)
        self.thoughts = encode(student, clips.thoughts, times)

    def list_events(self, video: int, number: int) -> Example:
        """Return the task to list the events of a video."""
        text = words(self.world.events, self.clips.scenes[video].story.events)
        request = list_request(self.world.event_noun)
        return Example((self.videos[video],), request, text, use_latents=False)

    def list_states(self, video: int, number: int) -> Example:
        """Return the task to list the states in a thought video."""
        text = words(self.world.states, self.world.follow(self.clips.scenes[video].story))
        request = list_request(self.world.state_noun)
        return Example((self.thoughts[video],), request, text, use_latents=False)

    def list_setting(self, video: int, number: int) -> Example:
        """Return the task to list the setting that a video's beginning shows."""
        text = words(self.world.states, self.clips.scenes[video].story.setting)
        start = beginning(self.videos[video], 1)
        request = list_request(self.world.setting_noun)
        return Example((start,), request, text, use_latents=False)

    def follow_event(self, video: int, number: int) -> Example:
        """Return the task to list the states before and after a video's first event."""
        story = self.clips.scenes[video].story
        text = words(self.world.states, (story.start, self.world.follow(story)[0]))
        start = beginning(self.videos[video], 2)
        request = list_request(self.world.state_noun)
        return Example((start,), request, text, use_latents=False)

    def start_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, before any event."""
        return self.question_on_beginning(video, number, 0)

    def event_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, after its first event."""
        return self.question_on_beginning(video, number, 1)

    def question_on_beginning(self, video: int, number: int, beats: int) -> Example:
        """Return the question on the first beat and some events of a video."""
        scene = self.clips.scenes[video]
        events = scene.story.events[:beats] or (0,)
        story = dataclasses.replace(scene.story, events=events)
        prompt, answer = self.ask(dataclasses.replace(scene, story=story), number)
        start = beginning(self.videos[video], 1 + beats)
        return Example((start,), prompt, answer, use_latents=False)

    def thought_question(self, video: int, number: int) -> Example:
        """Return the question whose latent span holds the thought video."""
        prompt, answer = self.ask(self.clips.scenes[video], number)
        return Example((), prompt, answer, latent_video=self.thoughts[video])

    def ask(self, scene: Scene, number: int) -> tuple[str, str]:
        """Return prompt and answer: a sentence every few numbers, else options in another order."""
        if number % OPEN_EVERY == OPEN_EVERY - 1:
            text, sentence = open_question(self.world, scene)
            return prompt_of(text), sentence
        text, options, answer = question(self.world, scene)
        new = option_order(scene.seed, text, number, len(options))
        prompt = prompt_of(text, [options[old] for old in new])
        return prompt, LETTERS[new.index(LETTERS.index(answer))]

"""Scenes of a world, and the split that each belongs to.

A split is decided by the events alone, so what happens in a training video happens in no test
video, from whatever start. The colors of test videos are the test's own, as in the shell game.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from storm.config import LETTERS, Split
from storm.errors import DataError
from storm.shell_game.scene import SPLIT_SEEDS, SPLIT_SHARES, Look, draw_look, unit_hash
from storm.worlds.world import REST, Setting, Story, World

_MISSES = 100_000
SHARING = 4  # test stories in a row with one setting, which so can give each other their states


@dataclass(frozen=True)
class Scene:
    """The truth about one video.

    Attributes:
        seed: Seed of all that doesn't matter: timing, camera, noise, option order.
    """

    story: Story
    look: Look
    seed: int


def events_text(world: World, events: tuple[int, ...]) -> str:
    """Return a sequence of events as text, the same for the same events: `dial 1 - 3 2`."""
    return f"{world.name} {words(world.events, events)}"


def words(vocabulary: Sequence[str], numbers: Sequence[int]) -> str:
    """Return numbers as words, e.g. `13 24 - 12`."""
    return " ".join(vocabulary[number] for number in numbers)


def split_of(world: World, events: tuple[int, ...]) -> Split:
    """Return the one split that a sequence of events belongs to."""
    draw = unit_hash(events_text(world, events))
    for split, share in SPLIT_SHARES.items():
        draw -= share
        if draw < 0:
            return split
    return "test"


def sample_scenes(
    world: World, beats: int, events: int, split: Split, n: int, seed: int
) -> list[Scene]:
    """Return `n` scenes of one split with distinct stories; a smaller `n` gives the first of them.

    Args:
        world: Whose scenes.
        beats: Beats after the first.
        events: How many of them have an event; the others rest.
        split: The split of every scene's events.
        n: How many.
        seed: Of all that is drawn.

    Raises:
        DataError: If there are too few stories.
    """
    name = int.from_bytes(world.name.encode(), "big")
    rng = np.random.default_rng([seed, SPLIT_SEEDS[split], name])
    scenes: list[Scene] = []
    seen: set[Story] = set()
    misses = 0
    setting: Setting = ()
    while len(scenes) < n:
        if split != "test" or len(scenes) % SHARING == 0:
            setting = world.draw_setting(rng)
        story = _draw_story(rng, world, setting, beats, events)
        if story in seen or split_of(world, story.events) != split:
            misses += 1
            if misses > _MISSES:
                raise DataError(
                    f"expected {n} stories of {world.name} in split {split!r}, found {len(scenes)}:"
                    " ask for fewer, or for more events"
                )
            continue
        misses = 0
        seen.add(story)
        scenes.append(Scene(story, draw_look(rng, split), int(rng.integers(2**31))))
    return scenes


def _draw_story(
    rng: np.random.Generator, world: World, setting: Setting, beats: int, events: int
) -> Story:
    starts = world.starts(setting)
    happening = set(rng.choice(beats, events, replace=False).tolist())
    possible = world.possible_events
    drawn = [
        possible[int(rng.integers(len(possible)))] if beat in happening else REST
        for beat in range(beats)
    ]
    return Story(setting, starts[int(rng.integers(len(starts)))], tuple(drawn))


def question(world: World, scene: Scene) -> tuple[str, tuple[str, ...], str]:
    """Return the question, its options in random order and the letter of the answer."""
    order = np.random.default_rng([scene.seed, 2]).permutation(len(world.options))
    options = tuple(world.options[i] for i in order)
    last = world.follow(scene.story)[-1]
    return world.question, options, LETTERS[options.index(world.option_of(last))]


def open_question(world: World, scene: Scene) -> tuple[str, str]:
    """Return the question that asks for a sentence, and the sentence."""
    return world.open_question, world.sentence(world.follow(scene.story)[-1])

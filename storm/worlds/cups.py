"""The shell game as a world: its scenes, its renderer and its teacher are those of `shell_game`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from storm.shell_game import scene as shell
from storm.shell_game.render import render, render_thought
from storm.shell_game.scene import Look
from storm.shell_game.script import Script
from storm.shell_game.teacher import ShellTeacher, Unreadable
from storm.worlds.world import REST, Film, Setting, Story, World

_GAME = shell.World()
_ORDINALS = ("first", "second", "third", "fourth")
_NUMBERS = ("one", "two", "three", "four")


class Cups(World):
    """States are places, left to right; an event swaps two of them."""

    name = "cups"
    question = shell.QUESTION
    open_question = "Say where the ball is."
    state_noun, event_noun = "places", "swaps"
    states = ("1", "2", "3", "4")
    events = ("-", *(f"{a}{b}" for a, b in _GAME.pairs))
    options = tuple(f"cup {place}" for place in states)

    def advance(self, setting: Setting, state: int, event: int) -> int:
        """Return the ball's place after a swap."""
        return shell.follow(state + 1, (_pair(event),))[0] - 1

    def sentence(self, state: int) -> str:
        """Return the sentence that names a place."""
        return f"The ball is under the {_ORDINALS[state]} cup."

    def states_in(self, text: str) -> frozenset[int]:
        """Return the places in a text; `from the right` counts from there."""
        words = re.findall(r"[a-z]+|[0-9]+", text)
        lists = (_ORDINALS, _NUMBERS, self.states)
        found = {places.index(word) for word in words for places in lists if word in places}
        if re.search(r"from (the )?right", text):
            found = {len(self.states) - 1 - place for place in found}
        return frozenset(found)

    def render(self, story: Story, look: Look, film: Film, seed: int) -> np.ndarray:
        """Return the opaque game."""
        swaps = tuple(_pair(event) for event in story.events)
        game = shell.World(swaps=0, **film.model_dump())
        return render(shell.Scene(story.start + 1, swaps, look, seed), game)

    def render_state(self, setting: Setting, state: int, look: Look, size_px: int) -> np.ndarray:
        """Return see-through cups."""
        script = Script(_GAME.cups, state + 1, (None,), look)
        return render_thought(script, _GAME.model_copy(update={"size_px": size_px}), 1)[0]

    def read(
        self,
        frames: np.ndarray,
        pts_seconds: Sequence[float],
        duration_seconds: float,
        beat_seconds: float,
    ) -> tuple[Story, Look]:
        """Return what the shell game's teacher reads."""
        teacher = ShellTeacher(ShellTeacher.Config(beat_seconds=beat_seconds))
        script = teacher.read(frames, pts_seconds, duration_seconds)
        if script.cups != len(self.states):
            raise Unreadable("no_row", f"expected {len(self.states)} cups, found {script.cups}")
        events = tuple(REST if p is None else 1 + _GAME.pairs.index(p) for p in script.beats)
        return Story((), script.ball - 1, events), script.look


def _pair(event: int) -> shell.Pair | None:
    return None if event == REST else _GAME.pairs[event - 1]

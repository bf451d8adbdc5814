"""A dial under a lid: a pointer that a lever turns by 0 to 3 quarters, the group Z_4.

The turns commute: their sum modulo 4 is all that counts, and every one of them counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from storm.shell_game.scene import Color, Look
from storm.shell_game.teacher import Unreadable
from storm.worlds.canvas import Canvas, mix
from storm.worlds.drawn import DrawnWorld
from storm.worlds.eye import to_color
from storm.worlds.world import Setting

_X, _Y, _RADIUS, _GLASS = 24.0, 36.0, 16.0, 13.0  # of the lid, in units of a 64 px frame
_LEVER_X, _LEVER_Y, _NOTCH = 53.0, 13.0, 10.0
_POINTER = ((12.5, 0.0), (-5.5, 8.0), (-5.5, -8.0))  # along its direction, and aside


class Dial(DrawnWorld):
    """States are the pointer's directions, clockwise; event n turns it n quarters."""

    name = "dial"
    question = "Where does the pointer point?"
    open_question = "Say where the pointer points."
    state_noun, event_noun = "directions", "turns"
    states = ("up", "right", "down", "left")
    events = ("-", "1", "2", "3")
    options = states

    @property
    def possible_events(self) -> Sequence[int]:
        """Every turn, of which none is one."""
        return range(len(self.events))

    def advance(self, setting: Setting, state: int, event: int) -> int:
        """Return the direction after a turn."""
        return (state + event) % len(self.states)

    def sentence(self, state: int) -> str:
        """Return the sentence that names a direction."""
        return f"The pointer points {self.states[state]}."

    def states_in(self, text: str) -> frozenset[int]:
        """Return the directions in a text."""
        words = re.findall(r"[a-z]+", text)
        return frozenset(i for i, word in enumerate(self.states) if word in words)

    def draw_covered(self, canvas: Canvas, look: Look, event: int, share: float) -> None:
        """Draw the lid, and the lever pulled down by a notch for each quarter."""
        canvas.disc(_X, _Y, _RADIUS, look.cup)
        self._lever(canvas, look, event * share)

    def draw_open(
        self, canvas: Canvas, look: Look, setting: Setting, state: int, share: float
    ) -> None:
        """Draw the lid as it turns to glass, and the pointer in it."""
        canvas.disc(_X, _Y, _RADIUS, look.cup)
        canvas.disc(_X, _Y, _GLASS, mix(look.cup, look.table, share))
        across, down = _direction(state)
        corners = [
            (_X + along * across - aside * down, _Y + along * down + aside * across)
            for along, aside in _POINTER
        ]
        canvas.polygon(corners, mix(look.cup, look.ball, share))
        self._lever(canvas, look, 0.0)

    def read_open(
        self, frame: np.ndarray, table: Color, cover: Color
    ) -> tuple[Setting, int, Color]:
        """Return the direction in which there is something else than the table."""
        places = []
        for state in range(len(self.states)):
            across, down = _direction(state)
            x, y = round(_X + 8 * across), round(_Y + 8 * down)
            places.append(frame[y - 1 : y + 1, x - 1 : x + 1].mean((0, 1)))
        off = np.linalg.norm(np.array(places) - np.array(table), axis=1)
        second, first = np.sort(off)[-2:]
        if first < 25 or second > 0.7 * first:
            raise Unreadable("no_pointer", f"expected one pointer, found {off.round().tolist()}")
        state = int(off.argmax())
        return (), state, to_color(places[state])

    def _lever(self, canvas: Canvas, look: Look, notches: float) -> None:
        y = _LEVER_Y + _NOTCH * notches
        canvas.rectangle(_LEVER_X - 7, y - 4.5, _LEVER_X + 7, y + 4.5, look.cup)


def _direction(state: int) -> tuple[float, float]:
    """Return how far right and down a pointer of length 1 reaches."""
    return math.sin(state * math.pi / 2), -math.cos(state * math.pi / 2)

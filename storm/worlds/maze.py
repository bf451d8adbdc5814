"""A maze behind a screen: walls that shine through once, moves that are shown as arrows.

The board is four by four. Its edges are tunnels to the opposite edge; a move into a wall does
nothing. So the order of the moves counts, but few of them are lost, as at closed edges they would
be: there the last moves alone would say where the token is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from storm.shell_game.scene import Color, Look
from storm.shell_game.teacher import Unreadable
from storm.worlds.canvas import Canvas, mix
from storm.worlds.drawn import DrawnWorld
from storm.worlds.eye import to_color
from storm.worlds.world import Setting

SIDE = 4
WALLS = 3
_MOVES = ((0, 0), (-1, 0), (0, 1), (1, 0), (0, -1))  # rows and columns, by event
_LEFT, _CELL = 8.0, 12.0  # of the board, in units of a 64 px frame
_RIGHT = _LEFT + SIDE * _CELL
_RIM, _TOKEN = 2.0, 5.4
_ORDINALS = ("first", "second", "third", "fourth")
_CARDINALS = ("one", "two", "three", "four")
_DIGITS = ("1", "2", "3", "4")
_NUMBERS = {w: n for names in (_ORDINALS, _CARDINALS, _DIGITS) for n, w in enumerate(names, 1)}
_ANY_ORDINAL, _ANY_NUMBER = "|".join(_ORDINALS), "|".join((*_CARDINALS, *_DIGITS))


class Maze(DrawnWorld):
    """States are cells, row by row; the setting is the cells of the walls."""

    name = "maze"
    question = "Which corner is the token nearest to?"
    open_question = "Say where the token is."
    state_noun, event_noun, setting_noun = "cells", "moves", "walls"
    states = tuple(f"{row}{column}" for row in range(1, 5) for column in range(1, 5))
    events = ("-", "up", "right", "down", "left")
    options = ("top left", "top right", "bottom left", "bottom right")
    fullest = tuple(range(SIDE * SIDE))

    def draw_setting(self, rng: np.random.Generator) -> Setting:
        """Return walls."""
        return tuple(sorted(rng.choice(SIDE * SIDE, WALLS, replace=False).tolist()))

    def starts(self, setting: Setting) -> Sequence[int]:
        """Return the free cells."""
        return [cell for cell in range(SIDE * SIDE) if cell not in setting]

    def advance(self, setting: Setting, state: int, event: int) -> int:
        """Return the cell after a move; a wall blocks it."""
        row, column = divmod(state, SIDE)
        down, right = _MOVES[event]
        there = (row + down) % SIDE * SIDE + (column + right) % SIDE
        return state if there in setting else there

    def option_of(self, state: int) -> str:
        """Return the corner of a cell's quarter of the board."""
        row, column = divmod(state, SIDE)
        return self.options[2 * (row >= SIDE // 2) + (column >= SIDE // 2)]

    def sentence(self, state: int) -> str:
        """Return the sentence that names a cell."""
        row, column = divmod(state, SIDE)
        return f"The token is in row {row + 1}, column {column + 1}."

    def states_in(self, text: str) -> frozenset[int]:
        """Return the cells in a text; none if a number belongs to no row and no column."""
        rows, columns = _numbers(text, "row"), _numbers(text, "column")
        if len(rows) + len(columns) != len(
            re.findall(rf"\b({_ANY_ORDINAL}|{_ANY_NUMBER})\b", text)
        ):
            return frozenset()
        return frozenset((r - 1) * SIDE + c - 1 for r in rows for c in columns)

    def draw_covered(self, canvas: Canvas, look: Look, event: int, share: float) -> None:
        """Draw the screen and the arrow on it, a triangle that grows."""
        canvas.rectangle(_LEFT - _RIM, _LEFT - _RIM, _RIGHT + _RIM, _RIGHT + _RIM, look.cup)
        down, right = _MOVES[event]
        if event:
            long, wide, middle = 17 * share, 17 * share, (_LEFT + _RIGHT) / 2
            tip = middle + long * right, middle + long * down
            foot = middle - long * right, middle - long * down
            sides = [(foot[0] + s * wide * down, foot[1] + s * wide * right) for s in (-1, 1)]
            canvas.polygon([tip, *sides], look.table)

    def draw_open(
        self, canvas: Canvas, look: Look, setting: Setting, state: int, share: float
    ) -> None:
        """Draw the screen with walls and token shining through."""
        canvas.rectangle(_LEFT - _RIM, _LEFT - _RIM, _RIGHT + _RIM, _RIGHT + _RIM, look.cup)
        for cell in setting:
            left, top = _corner(cell)
            color = mix(look.cup, look.table, share)
            canvas.rectangle(left, top, left + _CELL, top + _CELL, color)
        left, top = _corner(state)
        middle = left + _CELL / 2, top + _CELL / 2
        canvas.disc(*middle, _TOKEN, mix(look.cup, look.ball, share))

    def read_open(
        self, frame: np.ndarray, table: Color, cover: Color
    ) -> tuple[Setting, int, Color]:
        """Return the cells like the table, and the one that is like neither cover nor table."""
        cores = []
        for cell in range(SIDE * SIDE):
            left, top = (round(edge) for edge in _corner(cell))
            cores.append(np.median(frame[top + 4 : top + 8, left + 4 : left + 8], (0, 1)))
        to_table = np.linalg.norm(np.array(cores) - np.array(table), axis=1)
        to_cover = np.linalg.norm(np.array(cores) - np.array(cover), axis=1)
        off = np.minimum(to_table, to_cover)
        second, first = np.sort(off)[-2:]
        if first < 25 or second > 0.7 * first:
            raise Unreadable("no_token", f"expected one token, found {off.round().tolist()}")
        start = int(off.argmax())
        walls = np.flatnonzero(to_table < to_cover).tolist()
        return tuple(w for w in walls if w != start), start, to_color(cores[start])


def _corner(cell: int) -> tuple[float, float]:
    """Return x and y of a cell's upper left corner."""
    row, column = divmod(cell, SIDE)
    return _LEFT + column * _CELL, _LEFT + row * _CELL


def _numbers(text: str, noun: str) -> list[int]:
    """Return the numbers of a noun: `row 2`, `the second row`."""
    found = re.findall(rf"\b(?:({_ANY_ORDINAL})\s+{noun}|{noun}\s+({_ANY_NUMBER}))\b", text)
    return [_NUMBERS[before or after] for before, after in found]

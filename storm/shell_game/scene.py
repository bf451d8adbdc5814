"""Scenes of the shell game, and the split that each belongs to.

A scene is the truth: where the ball starts, which two cups swap in each beat, and the colors. It
follows from `(world, split, seed)`, so the truth is never stored beside the videos. Places count
from 1, left to right.
"""

from __future__ import annotations

import colorsys
import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
from pydantic import Field, model_validator

from storm.config import LETTERS, FrozenModel, Split
from storm.errors import DataError

Pair = tuple[int, int]
Color = tuple[int, int, int]  # RGB, 0 to 255

SPLIT_SHARES: dict[Split, float] = {"base": 0.4, "val": 0.1, "train": 0.25, "test": 0.25}
SPLIT_SEEDS: dict[Split, int] = {"base": 0, "train": 1, "test": 2, "val": 3}
HUE_CELLS = 6  # a color cell is a sixth of the table's hues times a sixth of the cups' hues
TEST_CELL_SHARE = 0.25  # of the cells: test videos use these and no others
QUESTION = "Which cup hides the ball?"


class World(FrozenModel):
    """The rules that all scenes of one question set share.

    Attributes:
        beats: Beats after the reveal; those without a swap rest.
        camera_motion: The largest offset of a frame, in pixels of a 64 px frame.
        noise: Standard deviation of the pixels' noise, of 255.
    """

    cups: int = Field(default=4, ge=3, le=5)
    swaps: int = Field(default=8, ge=0)
    beats: int = Field(default=8, ge=1)
    size_px: int = Field(default=64, ge=32, multiple_of=2)
    fps: float = Field(default=12.0, gt=0)
    beat_frames: int = Field(default=6, ge=5)
    camera_motion: float = Field(default=1.25, ge=0)
    noise: float = Field(default=3.0, ge=0)

    @model_validator(mode="after")
    def _enough_beats(self) -> World:
        if self.swaps > self.beats:
            raise ValueError(
                f"expected at most one swap a beat, found {self.swaps = } {self.beats = }"
            )
        return self

    @property
    def frames(self) -> int:
        """The frames of one video: the reveal and the beats."""
        return (self.beats + 1) * self.beat_frames

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every pair of places that can swap."""
        return tuple(itertools.combinations(range(1, self.cups + 1), 2))


@dataclass(frozen=True)
class Look:
    """The colors of a scene."""

    table: Color
    cup: Color
    ball: Color


@dataclass(frozen=True)
class Scene:
    """The truth about one video.

    Attributes:
        start: The place of the lifted cup that shows the ball, from 1.
        swaps: The pair that swaps in each beat; None rests.
        look: The colors.
        seed: Seed of all that doesn't matter: timing, arcs, camera, noise, option order.
    """

    start: int
    swaps: tuple[Pair | None, ...]
    look: Look
    seed: int


def places(scene: Scene) -> tuple[int, ...]:
    """Return the ball's place after each beat."""
    return follow(scene.start, scene.swaps)


def follow(start: int, swaps: tuple[Pair | None, ...]) -> tuple[int, ...]:
    """Return the place after each beat of a ball that starts at `start`."""
    place, visited = start, []
    for pair in swaps:
        if pair is not None and place in pair:
            place = pair[1] if place == pair[0] else pair[0]
        visited.append(place)
    return tuple(visited)


def question(scene: Scene, world: World, order: int = 0) -> tuple[str, tuple[str, ...], str]:
    """Return the question, its options and the letter of the answer.

    The scene's seed shuffles the options; `order` rotates them, so that over `world.cups` orders
    of one video each letter is right once.
    """
    options = list(np.random.default_rng([scene.seed, 2]).permutation(world.cups) + 1)
    turn = order % world.cups
    options = options[turn:] + options[:turn]
    last = places(scene)[-1]
    return QUESTION, tuple(option_text(place) for place in options), LETTERS[options.index(last)]


def option_text(place: int) -> str:
    """Return the option that names a place."""
    return f"cup {place}"


def unit_hash(text: str) -> float:
    """Map a text to [0, 1), the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def script_text(start: int, swaps: tuple[Pair | None, ...]) -> str:
    """Return a script as text, the same for the same events: `script 3 13,24,-,12`."""
    beats = ",".join("-" if p is None else f"{min(p)}{max(p)}" for p in swaps)
    return f"script {start} {beats}"


def split_of(start: int, swaps: tuple[Pair | None, ...]) -> Split:
    """Return the one split that a script belongs to."""
    draw = unit_hash(script_text(start, swaps))
    for split, share in SPLIT_SHARES.items():
        draw -= share
        if draw < 0:
            return split
    return "test"


def _hue_cell(color: Color) -> int:
    return int(colorsys.rgb_to_hsv(*(c / 255 for c in color))[0] * HUE_CELLS) % HUE_CELLS


def color_cell(look: Look) -> tuple[int, int]:
    """Return the hue cells of the table and of the cups."""
    return _hue_cell(look.table), _hue_cell(look.cup)


def is_test_cell(cell: tuple[int, int]) -> bool:
    """Return whether only test videos use a color cell."""
    return unit_hash(f"colour cell {cell[0]} {cell[1]}") < TEST_CELL_SHARE


def luma(color: Color) -> float:
    """Return the brightness as video codecs weigh it, 0 to 255."""
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


def has_contrast(look: Look) -> bool:
    """Return whether cups and ball differ enough from the table, and the ball from the cups.

    Differ in brightness, because 4:2:0 video keeps only a quarter of the color samples.
    """
    return (
        abs(luma(look.cup) - luma(look.table)) >= 55
        and abs(luma(look.ball) - luma(look.table)) >= 55
        and float(np.linalg.norm(np.subtract(look.ball, look.cup))) >= 90
    )


def _draw_color(rng: np.random.Generator) -> Color:
    hue, saturation, value = rng.uniform((0, 0.35, 0.2), (1, 0.95, 1.0))
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_look(rng: np.random.Generator, split: Split) -> Look:
    """Draw colors with enough contrast, from the cells that the split may use."""
    while True:
        look = Look(_draw_color(rng), _draw_color(rng), _draw_color(rng))
        if has_contrast(look) and is_test_cell(color_cell(look)) == (split == "test"):
            return look


def _draw_swaps(rng: np.random.Generator, world: World) -> tuple[Pair | None, ...]:
    swapping = set(rng.choice(world.beats, world.swaps, replace=False).tolist())
    draws = rng.integers(len(world.pairs), size=world.beats)
    return tuple(world.pairs[d] if b in swapping else None for b, d in enumerate(draws))


def sample_scenes(world: World, split: Split, n: int, seed: int) -> list[Scene]:
    """Return `n` scenes of one split; a smaller `n` gives the first of them.

    (start, swaps) are distinct as long as there are new ones; after that they repeat. Without
    swaps there are too few scripts for four splits: then only the colors differ by split.
    """
    if split not in SPLIT_SHARES:
        raise DataError(f"expected a split of {tuple(SPLIT_SHARES)}, found {split!r}")
    rng = np.random.default_rng([seed, SPLIT_SEEDS[split]])
    scenes: list[Scene] = []
    seen: set[tuple[int, tuple[Pair | None, ...]]] = set()
    misses = 0
    while len(scenes) < n:
        start, swaps = int(rng.integers(1, world.cups + 1)), _draw_swaps(rng, world)
        fits = world.swaps == 0 or split_of(start, swaps) == split
        if not fits or (start, swaps) in seen:
            misses += 1
            if misses > 2000 and seen:
                seen.clear()
            if misses > 100_000:
                raise DataError(f"expected scripts in split {split!r}, found none: {world = }")
            continue
        misses = 0
        seen.add((start, swaps))
        scenes.append(Scene(start, swaps, draw_look(rng, split), int(rng.integers(2**31))))
    return scenes

"""What happens in one shell game, and which split it belongs to.

A scene is the truth: where the ball starts, which two cups change places in each beat, and
the colours. Everything in it follows from `(world, split, seed)`, so the truth is never
stored beside the videos. Places count from 1, left to right.
"""

from __future__ import annotations

import colorsys
import hashlib
import itertools
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from storm.config import LETTERS, Split
from storm.errors import DataError

Pair = tuple[int, int]
Colour = tuple[int, int, int]  # RGB, 0 to 255

SPLIT_SHARES: dict[Split, float] = {"base": 0.5, "train": 0.25, "test": 0.25}
HUE_CELLS = 6  # a colour cell is a sixth of the table's hues by a sixth of the cups' hues
TEST_CELL_SHARE = 0.25  # of the cells that only test videos use; test videos use no others
QUESTION = "Which cup hides the ball?"


class World(BaseModel):
    """The rules that all scenes of one question set share; lengths in pixels of a 64 px frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cups: int = Field(default=4, ge=3, le=5)
    swaps: int = Field(default=8, ge=0)
    beats: int = Field(default=8, ge=1)  # after the reveal; those without a swap rest
    size_px: int = Field(default=64, ge=32, multiple_of=2)
    fps: float = Field(default=12.0, gt=0)
    beat_frames: int = Field(default=6, ge=5)
    camera_motion: float = Field(default=1.25, ge=0)  # the most a frame is off, in pixels of 64
    noise: float = Field(default=3.0, ge=0)  # standard deviation, of 255

    @model_validator(mode="after")
    def _enough_beats(self) -> World:
        if self.swaps > self.beats:
            raise ValueError(
                f"expected at most one swap a beat, found {self.swaps = } {self.beats = }"
            )
        return self

    @property
    def frames(self) -> int:
        """Frames of one video: the reveal's beat and the others."""
        return (self.beats + 1) * self.beat_frames

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return tuple(itertools.combinations(range(1, self.cups + 1), 2))


@dataclass(frozen=True)
class Look:
    """The colours of a scene."""

    table: Colour
    cup: Colour
    ball: Colour


@dataclass(frozen=True)
class Scene:
    start: int  # the ball's place under the lifted cup, from 1
    swaps: tuple[Pair | None, ...]  # one per beat; None rests
    look: Look
    seed: int  # of everything that does not matter: timing, arcs, camera, noise, option order


def places(scene: Scene) -> tuple[int, ...]:
    """The ball's place after each beat."""
    return follow(scene.start, scene.swaps)


def follow(start: int, swaps: tuple[Pair | None, ...]) -> tuple[int, ...]:
    """The place after each beat of what starts at `start`."""
    place, visited = start, []
    for pair in swaps:
        if pair is not None and place in pair:
            place = pair[1] if place == pair[0] else pair[0]
        visited.append(place)
    return tuple(visited)


def question(scene: Scene, world: World, order: int = 0) -> tuple[str, tuple[str, ...], str]:
    """Question, options and the answer's letter.

    The scene's seed shuffles the options; `order` turns them, so that over `world.cups`
    orders of one video each letter is right once.
    """
    options = list(np.random.default_rng([scene.seed, 2]).permutation(world.cups) + 1)
    turn = order % world.cups
    options = options[turn:] + options[:turn]
    last = places(scene)[-1]
    return QUESTION, tuple(f"cup {place}" for place in options), LETTERS[options.index(last)]


def _unit_hash(text: str) -> float:
    """Text to [0, 1), the same in every process."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def split_of(start: int, swaps: tuple[Pair | None, ...]) -> Split:
    """The one split that a script belongs to."""
    beats = ",".join("-" if p is None else f"{min(p)}{max(p)}" for p in swaps)
    draw = _unit_hash(f"script {start} {beats}")
    for split, share in SPLIT_SHARES.items():
        draw -= share
        if draw < 0:
            return split
    return "test"


def _hue_cell(colour: Colour) -> int:
    return int(colorsys.rgb_to_hsv(*(c / 255 for c in colour))[0] * HUE_CELLS) % HUE_CELLS


def colour_cell(look: Look) -> tuple[int, int]:
    """Hue cell of the table and of the cups."""
    return _hue_cell(look.table), _hue_cell(look.cup)


def is_test_cell(cell: tuple[int, int]) -> bool:
    return _unit_hash(f"colour cell {cell[0]} {cell[1]}") < TEST_CELL_SHARE


def luma(colour: Colour) -> float:
    """Brightness as video codecs weigh it, 0 to 255."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def has_contrast(look: Look) -> bool:
    """Whether cups and ball stand out from the table, and the ball from the cups.

    In brightness, because 4:2:0 video keeps only a quarter of the colour's samples.
    """
    return (
        abs(luma(look.cup) - luma(look.table)) >= 55
        and abs(luma(look.ball) - luma(look.table)) >= 55
        and float(np.linalg.norm(np.subtract(look.ball, look.cup))) >= 90
    )


def _draw_colour(rng: np.random.Generator) -> Colour:
    hue, saturation, value = rng.uniform((0, 0.35, 0.2), (1, 0.95, 1.0))
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_look(rng: np.random.Generator, split: Split) -> Look:
    """Continuous colours with enough contrast, from the cells that the split may use."""
    while True:
        look = Look(_draw_colour(rng), _draw_colour(rng), _draw_colour(rng))
        if has_contrast(look) and is_test_cell(colour_cell(look)) == (split == "test"):
            return look


def _draw_swaps(rng: np.random.Generator, world: World) -> tuple[Pair | None, ...]:
    swapping = set(rng.choice(world.beats, world.swaps, replace=False).tolist())
    draws = rng.integers(len(world.pairs), size=world.beats)
    return tuple(world.pairs[d] if b in swapping else None for b, d in enumerate(draws))


def sample_scenes(world: World, split: Split, n: int, seed: int) -> list[Scene]:
    """`n` scenes of one split; the first m of them are what asking for m gives.

    (start, swaps) are distinct as far as that many exist; after that a new round begins.
    Without swaps there are too few scripts to share out: then only colours differ by split.
    """
    if split not in SPLIT_SHARES:
        raise DataError(f"expected a split of {tuple(SPLIT_SHARES)}, found {split!r}")
    rng = np.random.default_rng([seed, list(SPLIT_SHARES).index(split)])
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

"""Render the opaque game of a scene, and the see-through game of a script."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from storm.errors import DataError
from storm.shell_game.scene import Color, Look, Pair, Scene, World
from storm.shell_game.script import Script

SUBPIXEL_BITS = 6


@dataclass(frozen=True)
class Layout:
    """Positions and sizes at rest, in pixels of the frame."""

    cups: int
    size_px: int

    @property
    def unit(self) -> float:
        """A pixel of a 64 px frame."""
        return self.size_px / 64

    @property
    def spacing_px(self) -> float:
        """The distance between neighboring places."""
        return min(14.0, 56.0 / self.cups) * self.unit

    def place_px(self, place: int) -> tuple[float, float]:
        """Return x and y of the middle of the bottom edge of the cup at `place`."""
        return self.size_px / 2 + (place - (self.cups + 1) / 2) * self.spacing_px, 38 * self.unit

    @property
    def cup_half_widths_px(self) -> tuple[float, float]:
        """Half the width of a cup at its top and at its bottom."""
        return 0.27 * self.spacing_px, 0.37 * self.spacing_px

    @property
    def cup_height_px(self) -> float:
        """The height of a cup."""
        return 12 * self.unit

    @property
    def ball_radius_px(self) -> float:
        """The radius of the ball."""
        return min(3.0 * self.unit, 0.24 * self.spacing_px)

    @property
    def lift_px(self) -> float:
        """How high a cup is lifted to show the ball."""
        return 14 * self.unit

    @property
    def arc_px(self) -> float:
        """How far swapping cups leave the row."""
        return 15.5 * self.unit


def render(scene: Scene, world: World) -> np.ndarray:
    """Return the opaque game: (world.frames, size, size, 3) uint8 RGB.

    The same scene has the same bytes. There is a reveal and `world.beats` beats; motion begins
    and ends inside its beat, whose first frame is at rest.
    """
    if len(scene.swaps) != world.beats:
        raise DataError(f"expected {world.beats} beats, found {scene.swaps = }")
    rng = np.random.default_rng([scene.seed, 1])
    layout = Layout(world.cups, world.size_px)
    camera = camera_path(rng, world.frames, world.camera_motion) * layout.unit
    frames = np.empty((world.frames, world.size_px, world.size_px, 3), np.uint8)
    frames[:] = scene.look.table
    for beat, pair in enumerate((None, *scene.swaps)):
        begin, end = moving_span(rng, world.beat_frames)
        over = int(rng.integers(2))
        for i in range(world.beat_frames):
            t = beat * world.beat_frames + i
            progress = float(np.clip((i + 0.5 - begin) / (end - begin), 0, 1))
            _draw_frame(frames[t], scene, layout, beat == 0, pair, over, progress, camera[t])
    return add_noise(frames, rng, world.noise)


def render_thought(script: Script, world: World, frames: int = 16) -> np.ndarray:
    """Return the see-through game: (frames, size, size, 3) uint8 RGB, all at rest.

    Frame j shows the state after beat `j * beats // frames`: with 16 frames for 8 beats, two
    frames after each swap.
    """
    if frames < len(script.beats):
        raise DataError(f"expected a frame a beat or more, found {frames = } {script.beats = }")
    layout = Layout(script.cups, world.size_px)
    states = {place: _see_through(script.look, layout, place) for place in set(script.places)}
    beats = len(script.beats)
    return np.stack([states[script.places[j * beats // frames]] for j in range(frames)])


def camera_path(rng: np.random.Generator, frames: int, motion: float) -> np.ndarray:
    """Return (frames, 2) offsets of a hand-held camera, each within +-motion."""
    steps = rng.standard_normal((frames + 8, 2))
    path = np.zeros_like(steps)
    for t in range(1, len(steps)):
        path[t] = 0.8 * path[t - 1] + 0.6 * steps[t]
    return motion * np.tanh(path[8:])


def moving_span(rng: np.random.Generator, beat_frames: int) -> tuple[float, float]:
    """Return where the motion begins and ends, in frames of its beat; both are jittered."""
    scale = beat_frames / 6
    begin = float(rng.uniform(0.5, 1.0)) * scale
    length = float(rng.uniform(4.2, 5.0)) * scale
    return begin, min(begin + length, beat_frames - 0.4 * scale)


def _draw_frame(
    frame: np.ndarray,
    scene: Scene,
    layout: Layout,
    reveal: bool,
    pair: Pair | None,
    over: int,
    progress: float,
    camera: np.ndarray,
) -> None:
    middles = {p: layout.place_px(p) for p in range(1, layout.cups + 1)}
    swell = float(np.sin(np.pi * progress))
    if reveal:
        x, y = middles[scene.start]
        _ball(frame, layout, x + camera[0], y + camera[1], scene.look.ball)
        middles[scene.start] = (x, y - layout.lift_px * min(1.0, 1.25 * swell))
    elif pair is not None:
        (x0, y), (x1, _) = middles[pair[0]], middles[pair[1]]
        rise = layout.arc_px * swell * (1 if over == 0 else -1)
        middles[pair[0]] = (x0 + (x1 - x0) * progress, y - rise)
        middles[pair[1]] = (x1 + (x0 - x1) * progress, y + rise)
    for x, y in sorted(middles.values(), key=lambda middle: middle[1]):
        corners = _cup_corners(layout, x + camera[0], y + camera[1])
        cv2.fillConvexPoly(frame, corners, scene.look.cup, cv2.LINE_AA, SUBPIXEL_BITS)


def _see_through(look: Look, layout: Layout, place: int) -> np.ndarray:
    """Return one frame at rest: cups of glass, the ball in the one at `place`."""
    frame = np.empty((layout.size_px, layout.size_px, 3), np.uint8)
    frame[:] = look.table
    glass = tuple(round(0.7 * t + 0.3 * c) for t, c in zip(look.table, look.cup, strict=True))
    cups = [_cup_corners(layout, *layout.place_px(p)) for p in range(1, layout.cups + 1)]
    for corners in cups:
        cv2.fillConvexPoly(frame, corners, glass, cv2.LINE_AA, SUBPIXEL_BITS)
    _ball(frame, layout, *layout.place_px(place), look.ball)
    for corners in cups:
        cv2.polylines(frame, [corners], True, look.cup, 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return frame


def fixed_point(*values: float) -> np.ndarray:
    """Return pixels as OpenCV takes them: whole numbers of 2**-SUBPIXEL_BITS pixels."""
    # OpenCV puts pixel centers at whole numbers; ours are at halves.
    return np.rint((np.array(values) - 0.5) * (1 << SUBPIXEL_BITS)).astype(np.int32)


def _cup_corners(layout: Layout, x: float, y: float) -> np.ndarray:
    top, bottom = layout.cup_half_widths_px
    roof = y - layout.cup_height_px
    return fixed_point(x - top, roof, x + top, roof, x + bottom, y, x - bottom, y).reshape(4, 2)


def _ball(frame: np.ndarray, layout: Layout, x: float, y: float, color: Color) -> None:
    radius = layout.ball_radius_px
    cx, cy = fixed_point(x, y - radius - 0.5 * layout.unit)
    fixed_radius = round(radius * (1 << SUBPIXEL_BITS))
    cv2.circle(
        frame, (int(cx), int(cy)), fixed_radius, color, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS
    )


def add_noise(frames: np.ndarray, rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Return uint8 frames with normal noise of a standard deviation, of 255."""
    if deviation == 0:
        return frames
    noise = rng.standard_normal(frames.shape, np.float32)
    noise *= deviation
    noise += frames
    noise += 0.5
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)

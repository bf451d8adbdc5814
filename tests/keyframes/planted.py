"""Videos with planted events, whose frames are known: hits, colour changes, cuts and fades."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

KINDS = ("hit", "colour", "cut", "fade")
HEIGHT, WIDTH, FPS = 180, 320, 30
GAP = 20  # frames between two events at least


@dataclass(frozen=True)
class Event:
    kind: str
    frame: int  # the contact; the first frame of the new colour or shot; the middle of the fade


@dataclass(frozen=True)
class Planted:
    path: Path
    events: tuple[Event, ...]
    ticks: tuple[int, ...]  # of each frame, in 1 / 30 s

    def frame_at(self, pts_seconds: float) -> int:
        return int(np.argmin(np.abs(np.array(self.ticks) / FPS - pts_seconds)))

    def found(self, pts_seconds: tuple[float, ...], event: Event, within: int = 2) -> bool:
        return any(abs(self.frame_at(t) - event.frame) <= within for t in pts_seconds)


def plant(path: Path, seed: int, most: int, frames: int = 240) -> Planted:
    """Write a video of 1 to `most` events; every second one has a variable frame rate.

    In front of a textured ground a small disc drifts all the time, the camera pans and shakes
    by a fraction of a pixel, and there is noise: none of these is an event.
    """
    rng = np.random.default_rng(seed)
    count = int(rng.integers(max(1, most // 2), most + 1))
    frames = max(frames, (count + 2) * (GAP + 8))
    slack = frames - 2 * GAP - GAP * (count - 1)
    starts = np.sort(rng.integers(0, slack, count)) + GAP + GAP * np.arange(count)
    events = tuple(Event(str(rng.choice(KINDS)), int(s)) for s in starts)
    gaps = rng.integers(1, 4, frames) if seed % 2 else np.ones(frames, int)
    ticks = tuple(int(t) for t in np.cumsum(gaps) - gaps[0])
    _write(path, _draw(events, frames, rng), ticks)
    return Planted(path, events, ticks)


def _draw(events: tuple[Event, ...], frames: int, rng: np.random.Generator) -> np.ndarray:
    out = np.empty((frames, HEIGHT, WIDTH, 3), np.uint8)
    shot, patches = _ground(rng), _patches(rng)
    new_shots = [(e, _ground(rng), _patches(rng)) for e in events if e.kind in ("cut", "fade")]
    black = bool(rng.integers(2))
    half = {e.frame: int(rng.integers(4, 8)) for e, _, _ in new_shots}
    held = rng.integers(3) > 0  # else the camera stands still
    pan = rng.uniform(-0.5, 0.5, 2) * held
    drift, place = rng.uniform(-0.8, 0.8, 2), rng.uniform(0.2, 0.8, 2) * (WIDTH, HEIGHT)
    colours = {}
    hits = {e.frame: _Hit(e.frame, rng) for e in events if e.kind == "hit"}
    for t in range(frames):
        camera = pan * t + rng.normal(0, 0.3, 2) * held
        for event, ground, others in new_shots:
            if event.kind == "cut" and t == event.frame:
                shot, patches, colours = ground, others, {}
            if event.kind == "fade" and t == event.frame + half[event.frame]:
                shot, patches, colours = ground, others, {}
        for event in events:
            if event.kind == "colour" and event.frame == t:
                which = int(rng.integers(len(patches)))
                old = colours.get(which, patches[which][1])
                colours[which] = tuple(int((c + rng.integers(90, 166)) % 256) for c in old)
        image = _see(shot, patches, colours, camera)
        for event, ground, others in new_shots:
            share = (t - event.frame) / (2 * half[event.frame]) + 0.5
            if event.kind == "fade" and 0 < share < 1:
                image = _fade(image, _see(ground, others, {}, camera), share, black)
        centre = place + drift * t
        cv2.circle(image, (round(centre[0]), round(centre[1])), 6, (240, 240, 60), -1, cv2.LINE_AA)
        for hit in hits.values():
            hit.paint(image, t)
        noise = rng.normal(0, 2, (HEIGHT, WIDTH, 1))
        out[t] = np.clip(image + noise, 0, 255).astype(np.uint8)
    return out


class _Hit:
    """One ball gets faster until it strikes another, stops there; the other flies off."""

    def __init__(self, frame: int, rng: np.random.Generator):
        self.frame, self.before, self.after = frame, *rng.integers(7, 11, 2).tolist()
        self.at = rng.uniform(0.35, 0.65, 2) * (WIDTH, HEIGHT)
        angle = rng.uniform(0, 2 * np.pi)
        self.way = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(70, 110)
        self.radius = int(rng.integers(12, 20))
        self.colours = rng.integers(0, 256, (2, 3)).tolist()

    def paint(self, image: np.ndarray, t: int) -> None:
        since = (t - self.frame) / (self.before if t < self.frame else self.after)
        if not -1.5 < since < 1.5:  # they come and go while at rest: faded in and out
            return
        shown = min(1.0, 3 - 2 * abs(since))
        near = self.at - self.way / np.linalg.norm(self.way) * 2 * self.radius
        away = self.way * (1 - (1 - min(1.0, abs(since))) ** 2)  # fastest at the contact
        first = near - away * (since < 0)
        second = self.at + away * (since > 0)
        over = image.copy()
        for centre, colour in zip((first, second), self.colours):
            place = (round(centre[0] * 8), round(centre[1] * 8))
            cv2.circle(over, place, self.radius * 8, colour, -1, cv2.LINE_AA, 3)
        cv2.addWeighted(over, shown, image, 1 - shown, 0, dst=image)


def _ground(rng: np.random.Generator) -> np.ndarray:
    base = rng.uniform(60, 190, 3)
    coarse = rng.normal(0, 45, (12, 20, 3))
    big = cv2.resize(coarse, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
    fine = cv2.GaussianBlur(rng.normal(0, 60, (2 * HEIGHT, 2 * WIDTH, 1)), (0, 0), 2)
    return np.clip(base + big + fine[..., None], 0, 255).astype(np.uint8)


def _patches(rng: np.random.Generator) -> list[tuple[tuple[int, int, int, int], tuple]]:
    """Three boxes (x, y, width, height) and their colours, in the ground's frame."""
    return [
        (
            (
                WIDTH // 2 + 20 + 100 * i,
                HEIGHT // 2 + int(rng.integers(20, 90)),
                int(rng.integers(50, 80)),
                int(rng.integers(40, 70)),
            ),
            tuple(rng.integers(0, 256, 3).tolist()),
        )
        for i in range(3)
    ]


def _see(shot: np.ndarray, patches: list, colours: dict, camera: np.ndarray) -> np.ndarray:
    image = shot.copy()
    for i, ((x, y, w, h), colour) in enumerate(patches):
        cv2.rectangle(image, (x, y), (x + w, y + h), colours.get(i, colour), -1)
    bounce = np.abs((camera + 60) % 240 - 120) - 60  # the pan turns round at the edge
    matrix = np.float32([[1, 0, -WIDTH / 2 - bounce[0]], [0, 1, -HEIGHT / 2 - bounce[1] / 2]])
    return cv2.warpAffine(image, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def _fade(old: np.ndarray, new: np.ndarray, share: float, black: bool) -> np.ndarray:
    if not black:
        return cv2.addWeighted(old, 1 - share, new, share, 0)
    seen, bright = (old, 1 - 2 * share) if share < 0.5 else (new, 2 * share - 1)
    return cv2.convertScaleAbs(seen, alpha=bright)


def _write(path: Path, frames: np.ndarray, ticks: tuple[int, ...]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options={"preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = Fraction(1, FPS)
        for pixels, tick in zip(frames, ticks):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())

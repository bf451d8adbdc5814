"""Worlds that are drawn here: what happens on a cover that hides the state, and how it is read.

A drawn world says how its cover looks during an event and how its inside looks. The video, the
thought video and the teacher's reading follow from these.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from storm.shell_game.render import add_noise, camera_path, moving_span
from storm.shell_game.scene import Color, Look
from storm.shell_game.teacher import Unreadable
from storm.worlds.canvas import Canvas
from storm.worlds.eye import SIZE, Fit, Pixels, standing_still
from storm.worlds.world import REST, Film, Setting, Story, World

_PLAIN = Look(table=(0, 0, 0), cup=(255, 255, 255), ball=(0, 0, 0))
_WORST_FIT = 0.08


class DrawnWorld(World):
    """A world of a table, a cover (the look's `cup`) and a mark (its `ball`).

    Attributes:
        fullest: The setting that draws the most.
    """

    fullest: Setting = ()

    @abstractmethod
    def draw_covered(self, canvas: Canvas, look: Look, event: int, share: float) -> None:
        """Draw the cover while an event is at `share` of its full extent."""

    @abstractmethod
    def draw_open(
        self, canvas: Canvas, look: Look, setting: Setting, state: int, share: float
    ) -> None:
        """Draw the state with the cover open by `share`."""

    @abstractmethod
    def read_open(
        self, frame: np.ndarray, table: Color, cover: Color
    ) -> tuple[Setting, int, Color]:
        """Return the setting, the state and the mark's color in an open frame.

        Args:
            frame: (SIZE, SIZE, 3) float32, as if the camera stood still.
            table: The table's color.
            cover: The cover's color.

        Raises:
            Unreadable: If it shows no state.
        """

    def render(self, story: Story, look: Look, film: Film, seed: int) -> np.ndarray:
        """Implement `World.render`; motion begins and ends inside its beat."""
        rng = np.random.default_rng([seed, 1])
        camera = camera_path(rng, film.frames, film.camera_motion) * (film.size_px / 64)
        frames = np.empty((film.frames, film.size_px, film.size_px, 3), np.uint8)
        frames[:] = look.table
        for beat, event in enumerate((None, *story.events)):
            begin, end = moving_span(rng, film.beat_frames)
            for i in range(film.beat_frames):
                t = beat * film.beat_frames + i
                share = _plateau(float(np.clip((i + 0.5 - begin) / (end - begin), 0, 1)))
                canvas = Canvas(frames[t], (camera[t, 0], camera[t, 1]))
                if event is None:
                    self.draw_open(canvas, look, story.setting, story.start, share)
                else:
                    self.draw_covered(canvas, look, event, share)
        return add_noise(frames, rng, film.noise)

    def render_state(self, setting: Setting, state: int, look: Look, size_px: int) -> np.ndarray:
        """Implement `World.render_state`."""
        frame = np.empty((size_px, size_px, 3), np.uint8)
        frame[:] = look.table
        self.draw_open(Canvas(frame), look, setting, state, 1.0)
        return frame

    def read(
        self,
        frames: np.ndarray,
        pts_seconds: Sequence[float],
        duration_seconds: float,
        beat_seconds: float,
    ) -> tuple[Story, Look]:
        """Implement `World.read`."""
        beats = round(duration_seconds / beat_seconds) - 1
        if beats < 1:
            raise Unreadable(
                "too_short", f"expected a beat and an event, found {duration_seconds = }"
            )
        by_beat: list[list[int]] = [[] for _ in range(beats + 1)]
        for i, pts in enumerate(pts_seconds):
            by_beat[min(int(pts / beat_seconds), beats)].append(i)
        if not by_beat[0]:
            raise Unreadable("no_start", "expected a keyframe of the first beat, found none")
        drawings = np.stack([self._covered(event) for event in range(len(self.events))])
        pixels = Pixels.of(frames, drawings)
        fit = pixels.fit(drawings)
        opened = max(by_beat[0], key=lambda i: fit.misfits[i, REST])
        frame = self._aligned(pixels, opened)
        setting, start, mark = self.read_open(frame, pixels.table, pixels.cover)
        events = tuple(self._event_of(fit, beat) for beat in by_beat[1:])
        return Story(setting, start, events), Look(pixels.table, pixels.cover, mark)

    def _event_of(self, fit: Fit, beat: Sequence[int]) -> int:
        """Return the event of a beat's keyframes: that of the one least like the cover at rest."""
        if not beat:
            return REST
        misfits = fit.misfits[max(beat, key=lambda i: fit.misfits[i, REST])]
        if misfits.min() > _WORST_FIT:
            raise Unreadable(
                "unclear_event",
                f"expected an event that fits within {_WORST_FIT}, found {misfits.min():.3f}",
            )
        return int(misfits.argmin())

    def _covered(self, event: int) -> np.ndarray:
        """Return (SIZE, SIZE) of the cover in the middle of an event, 0 the table, 1 the cover."""
        frame = np.zeros((SIZE, SIZE, 3), np.uint8)
        self.draw_covered(Canvas(frame), _PLAIN, event, 1.0)
        return frame[..., 0].astype(np.float32) / 255

    def _aligned(self, pixels: Pixels, index: int) -> np.ndarray:
        """Return an open frame as if the camera stood still: only what all states share counts."""
        shown = [
            self.render_state(setting, state, _PLAIN, SIZE)[..., 0].astype(np.float32) / 255
            for setting in ((), self.fullest)
            for state in range(len(self.states))
        ]
        least, most = np.min(shown, 0), np.max(shown, 0)
        fit = pixels.fit(least[None], (most - least < 0.01).astype(np.float32))
        return standing_still(pixels.frames[index], fit.shifts[index, 0])


def _plateau(progress: float) -> float:
    """Return a share that rises quickly to 1, stays, and falls."""
    return min(1.0, 2.2 * float(np.sin(np.pi * progress)))

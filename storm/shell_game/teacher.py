"""The shell game's teacher (the prompt LLM): reads keyframes and writes a script.

It knows that cups form a row, that one is lifted first, and how long a beat is. It never sees
the truth: if keyframes are missing or unclear, its script is wrong or the question is rejected. For
studies it can be made to err.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from storm.records import Rejected, ThoughtPrompt
from storm.shell_game.mistakes import confuse, replace_swaps
from storm.shell_game.scene import Color, Look, Pair
from storm.shell_game.script import Script, write_script
from storm.thought_prompts import TeacherConfig, TeacherRequest, TeacherSetup


def _two_cups(pair: Pair) -> Pair:
    first, second = sorted(pair)
    if first < 1 or first == second:
        raise ValueError(f"expected two different cups, counted from 1, found {pair}")
    return first, second


Swap = Annotated[Pair, AfterValidator(_two_cups)]


class Unreadable(Exception):
    """Keyframes that don't show a game; `reason` is a slug."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


class ShellTeacher:
    """Reads a script off the keyframes by looking at pixels."""

    class Config(TeacherConfig):
        """Settings of a teacher; with the last three, of one that makes mistakes.

        Attributes:
            beat_seconds: The world's `beat_frames / fps`.
            confuses: Two swaps, each of which it always takes for the other.
            wrong_swaps: The probability that it writes another swap than it saw.
            seed: Of the wrong swaps, which also hang on the question.
        """

        kind: str = "shell"
        beat_seconds: float = Field(default=0.5, gt=0)
        confuses: tuple[Swap, Swap] | None = None
        wrong_swaps: float = Field(default=0.0, ge=0, le=1)
        seed: int = Field(default=0, ge=0)

        def identity(self) -> dict[str, Any]:
            """Return what a script depends on: without mistakes, not on how they are made."""
            unused = {name for name in ("confuses", "wrong_swaps") if not getattr(self, name)}
            if not self.wrong_swaps:
                unused.add("seed")
            return self.model_dump(exclude=unused)

        def build(self, setup: TeacherSetup) -> ShellTeacher:
            """Return the teacher; it needs nothing of `setup`."""
            return ShellTeacher(self)

    def __init__(self, config: Config):
        self.config = config

    def write(self, requests: Iterable[TeacherRequest]) -> Iterator[ThoughtPrompt | Rejected]:
        """Yield a script or a rejection for each request; each video is read once."""
        scripts: dict[str, Script | Unreadable] = {}
        for request in requests:
            sample, keyframes = request.sample, request.keyframes
            if keyframes.id not in scripts:
                try:
                    frames = frames_of(keyframes.images)
                    scripts[keyframes.id] = self.read(
                        frames, keyframes.pts_seconds, keyframes.duration_seconds
                    )
                except Unreadable as error:
                    scripts[keyframes.id] = error
            script = scripts[keyframes.id]
            if isinstance(script, Unreadable):
                yield Rejected(id=sample.id, reason=script.reason, detail=str(script))
                continue
            text = write_script(self._mistaken(script, sample.id))
            yield ThoughtPrompt(
                id=sample.id,
                video_id=sample.video_id,
                prompt=text,
                steps=_steps(script),
                teacher="shell",
                saw_answer=False,
            )

    def _mistaken(self, script: Script, question_id: str) -> Script:
        if self.config.confuses:
            script = confuse(script, *self.config.confuses)
        return replace_swaps(script, self.config.wrong_swaps, self.config.seed, question_id)

    def read(
        self, frames: np.ndarray, pts_seconds: Sequence[float], duration_seconds: float
    ) -> Script:
        """Return the script that keyframes show.

        Args:
            frames: (N, H, W, 3) uint8, in order of time.
            pts_seconds: The time of each frame.
            duration_seconds: The length of the video.

        Raises:
            Unreadable: If they don't show a game.
        """
        beat_seconds = self.config.beat_seconds
        beats = round(duration_seconds / beat_seconds) - 1
        if beats < 1:
            raise Unreadable(
                "too_short", f"expected a reveal and a beat, found {duration_seconds = }"
            )
        row = find_resting_cups(frames)
        by_beat: list[list[_Sight]] = [[] for _ in range(beats + 1)]
        for frame, pts in zip(frames, pts_seconds, strict=True):
            by_beat[min(int(pts / beat_seconds), beats)].append(_look(frame, row))
        start, ball = _read_reveal(by_beat[0], row)
        swaps = tuple(_read_beat(i, sights) for i, sights in enumerate(by_beat[1:], 1))
        return Script(len(row.boxes), start, swaps, Look(row.table, row.cup, ball))


def _steps(script: Script) -> tuple[str, ...]:
    """Return each beat's pair, '-' for a rest, and where the ball then is, e.g. `13 3`."""
    pairs = ("-" if pair is None else f"{pair[0]}{pair[1]}" for pair in script.beats)
    return tuple(f"{pair} {place}" for pair, place in zip(pairs, script.places, strict=True))


@dataclass(frozen=True)
class RestingCups:
    """The row of cups at rest.

    Attributes:
        boxes: x, y, width and height of each cup, left to right.
        table: The table's color.
        cup: The cups' color.
    """

    boxes: tuple[tuple[int, int, int, int], ...]
    table: Color
    cup: Color

    @property
    def unevenness_px(self) -> int:
        """The difference in height between the highest and the lowest cup."""
        tops = [box[1] for box in self.boxes]
        return max(tops) - min(tops)


@dataclass(frozen=True)
class _Sight:
    """One frame compared with the cups at rest.

    Attributes:
        frame: (H, W, 3) uint8.
        shift: dy and dx of the camera, in whole pixels.
        gone: Places without a cup, from 1.
    """

    frame: np.ndarray
    shift: tuple[int, int]
    gone: tuple[int, ...]


def frames_of(images: Sequence[bytes]) -> np.ndarray:
    """Return keyframes as (N, H, W, 3) uint8. Raises Unreadable if their sizes differ."""
    from storm.videos.decoding.encode import unjpeg

    frames = [unjpeg(image) for image in images]
    if len({f.shape for f in frames}) != 1:
        raise Unreadable("mixed_sizes", f"expected one size, found {[f.shape for f in frames]}")
    return np.stack(frames)


def find_resting_cups(frames: np.ndarray) -> RestingCups:
    """Return the cups of the first frame where their row is straight, else of the straightest.

    Raises:
        Unreadable: If no frame shows all cups in a row.
    """
    best: RestingCups | None = None
    for frame in frames:
        row = _resting_cups_in(frame)
        if row is not None and (best is None or row.unevenness_px < best.unevenness_px):
            best = row
        if best is not None and best.unevenness_px <= 1:
            return best
    if best is None:
        raise Unreadable("no_row", "expected all cups in a row in one frame at least, found none")
    return best


def _resting_cups_in(frame: np.ndarray) -> RestingCups | None:
    """Return a frame's cups and colors; None unless all that differs from the table is a row."""
    border = np.concatenate([frame[:3].reshape(-1, 3), frame[-3:].reshape(-1, 3)])
    table = np.median(border, axis=0)
    distance = np.linalg.norm(frame - table, axis=2)
    strength = float(np.percentile(distance, 97))
    for level in (0.5, 0.65, 0.8):  # compression lets close cups touch: then a higher level
        boxes = _equal_boxes(distance > max(level * strength, 20))
        if boxes:
            cores = [frame[y + 3 : y + h - 2, x + 3 : x + w - 3] for x, y, w, h in boxes]
            pixels = np.concatenate([core.reshape(-1, 3) for core in cores])
            return RestingCups(boxes, _color(table), _color(np.median(pixels, axis=0)))
    return None


def _equal_boxes(mask: np.ndarray) -> tuple[tuple[int, int, int, int], ...]:
    """Return the boxes of a mask's blobs, left to right, if they are alike and in a row."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    stats = stats[1:]
    if len(stats):
        stats = stats[stats[:, cv2.CC_STAT_AREA] >= 0.3 * stats[:, cv2.CC_STAT_AREA].max()]
    if len(stats) < 2:
        return ()
    tops, widths, heights = stats[:, 1], stats[:, 2], stats[:, 3]
    alike = np.ptp(widths) <= 0.5 * widths.min() and np.ptp(heights) <= 0.5 * heights.min()
    if not alike or np.ptp(tops) > 0.4 * heights.min() or min(widths.min(), heights.min()) < 7:
        return ()
    order = np.argsort(stats[:, 0])
    return tuple((int(x), int(y), int(w), int(h)) for x, y, w, h in stats[order, :4])


def _look(frame: np.ndarray, row: RestingCups) -> _Sight:
    """Find the camera's shift from the cups at rest, then the places without a cup.

    Only the upper half of a place counts: the lower half may hold the ball.
    """
    table, cup = np.array(row.table, np.float32), np.array(row.cup, np.float32)
    pixels = frame.astype(np.float32)
    axis = (cup - table) / float(((cup - table) ** 2).sum())
    along = np.clip((pixels - table) @ axis, 0, 1)
    off = np.linalg.norm(pixels - table - along[..., None] * (cup - table), axis=2)
    along[off > 0.5 * np.linalg.norm(cup - table)] = 0
    reach = row.boxes[0][2] * 2 // 3  # less than the distance between cups
    margin, side = reach + 2, 2 * reach + 1
    total = cv2.integral(np.pad(along, margin))

    def mean_in(left: int, top: int, right: int, bottom: int) -> np.ndarray:
        """Return (side, side): the mean over a box for every shift of the camera."""
        (y0, y1), (x0, x1) = (top + 2, bottom + 2), (left + 2, right + 2)
        upper, lower = total[y0 : y0 + side], total[y1 : y1 + side]
        sums = (lower - upper)[:, x1 : x1 + side] - (lower - upper)[:, x0 : x0 + side]
        return sums / ((y1 - y0) * (x1 - x0))

    fills, outlines = [], []
    for x, y, w, h in row.boxes:
        fills.append(mean_in(x + 2, y + 1, x + w - 2, y + h // 2))
        above = mean_in(x, y - 2, x + w, y)
        left, right = mean_in(x - 2, y, x, y + h), mean_in(x + w, y, x + w + 2, y + h)
        outlines.append(mean_in(x + 1, y, x + w - 1, y + h) - (above + left + right) / 3)
    fill, outline = np.stack(fills), np.stack(outlines)
    resting = np.sort(outline, axis=0)[2:].sum(0)  # two may be away
    steps = np.arange(-reach, reach + 1)
    score = resting - 0.002 * (steps[:, None] ** 2 + steps**2)
    i, j = np.unravel_index(int(score.argmax()), score.shape)
    gone = tuple(place for place, f in enumerate(fill[:, i, j], 1) if f < 0.55)
    return _Sight(frame, (int(steps[i]), int(steps[j])), gone)


def _read_reveal(sights: Sequence[_Sight], row: RestingCups) -> tuple[int, Color]:
    """Return the lifted cup's place and the ball's color."""
    best: tuple[float, int, Color] | None = None
    for sight in sights:
        if len(sight.gone) != 1:
            continue
        x, y, w, h = row.boxes[sight.gone[0] - 1]
        y, x = y + sight.shift[0], x + sight.shift[1]
        under = sight.frame[y + h // 2 : y + h, x + 2 : x + w - 2].reshape(-1, 3).astype(np.float32)
        distance = np.linalg.norm(under - np.array(row.table), axis=1)
        core = np.argsort(distance)[-9:]
        contrast = float(np.median(distance[core]))
        if best is None or contrast > best[0]:
            best = contrast, sight.gone[0], _color(np.median(under[core], axis=0))
    if best is None:
        raise Unreadable("no_reveal", "expected one lifted cup in the first beat, found none")
    if best[0] < 30:
        raise Unreadable("no_ball", "expected a ball under the lifted cup, found the table")
    return best[1], best[2]


def _read_beat(beat: int, sights: Sequence[_Sight]) -> Pair | None:
    """Return the two cups that left the row; None if all rest or the beat has no keyframe."""
    pairs = {s.gone for s in sights if len(s.gone) == 2}
    if len(pairs) == 1:
        first, second = pairs.pop()
        return first, second
    if pairs:
        raise Unreadable("unclear_swap", f"expected one swap in beat {beat}, found {pairs}")
    others = [s.gone for s in sights if s.gone]
    if others:
        raise Unreadable("unclear_swap", f"expected two cups away in beat {beat}, found {others}")
    return None


def _color(values: np.ndarray) -> Color:
    red, green, blue = (round(float(v)) for v in values)
    return red, green, blue

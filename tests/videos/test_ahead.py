"""Decoding ahead: in order, beside the model, and a decoder's end costs one video."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from troubled_sampling import Troubled

from storm.errors import UnreadableVideo
from storm.videos.decoding.prefetch import PrefetchDecoder
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames


def segments(*names: str) -> list[Segment]:
    return [Segment(Path(f"{number}-{name}.mp4")) for number, name in enumerate(names)]


def outcome(found: VideoFrames | UnreadableVideo) -> int | str:
    return found.reason if isinstance(found, UnreadableVideo) else int(found.pixels.max())


def decoded(decoding: PrefetchDecoder, wanted: Sequence[Segment]) -> list[int | str]:
    found = list(decoding.stream(wanted))
    assert [segment for segment, _ in found] == list(wanted)
    return [outcome(one) for _, one in found]


def test_a_decoder_that_dies_hangs_or_complains_costs_its_video() -> None:
    wanted = segments("fine", "dies", "fine", "bad", "hangs", "fine", "dies", "fine")
    with PrefetchDecoder(Troubled(), workers=2, ahead=3, max_seconds=5) as decoding:
        found = decoded(decoding, wanted)
    assert found == [0, "signal_11", 2, "damaged", "timeout", 5, "signal_11", 7]


def test_leaving_early_ends_the_workers_at_once() -> None:
    before = threading.active_count()
    with PrefetchDecoder(Troubled(), workers=1, ahead=4) as decoding:
        assert outcome(next(decoding.stream(segments("fine", "hangs", "hangs")))[1]) == 0
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert threading.active_count() == before


@pytest.mark.integration
def test_decoding_goes_on_while_the_model_works_but_not_too_far(tmp_path: Path) -> None:
    wanted = [Segment(tmp_path / f"{number}-told") for number in range(8)]

    def told() -> int:
        return len(list(tmp_path.iterdir()))

    with PrefetchDecoder(Troubled(), workers=1, ahead=3) as decoding:
        stream = decoding.stream(wanted)
        next(stream)
        end = time.monotonic() + 60
        while told() < 4 and time.monotonic() < end:  # the model is busy with the first
            time.sleep(0.05)
        assert told() == 4
        time.sleep(0.5)
        assert told() == 4, "no more than three beyond the one in hand"
        assert len(list(stream)) == 7


def test_a_look_that_comes_twice_in_a_row_is_decoded_once() -> None:
    (segment,) = segments("fine")
    with PrefetchDecoder(Troubled(), workers=2, ahead=4) as decoding:
        first, second = (found for _, found in decoding.stream([segment, segment]))
    assert first is second


@pytest.mark.parametrize(
    ("sampling", "clip", "times"),
    [
        (FrameSampling(frames=4), None, (0.25, 0.75, 1.25, 1.75)),
        (FrameSampling(frames=9, fps=2.0), None, (0.25, 0.75, 1.25, 1.75)),
        (FrameSampling(frames=3, fps=2.0), None, (0.25, 1.0, 1.75)),
        (FrameSampling(frames=2), (1.0, 2.0), (0.25, 0.75)),
        (FrameSampling(frames=2), (1.0, 90.0), (0.25, 0.75)),
    ],
)
def test_times_of_frames(
    clip_path: Path,
    sampling: FrameSampling,
    clip: tuple[float, float] | None,
    times: tuple[float, ...],
) -> None:
    frames = sampling.sample(Segment(clip_path, clip))
    assert len(frames) == len(times)
    assert frames.pts_seconds == pytest.approx(times, abs=0.13), (
        "the nearest frame of a video of 4 a second"
    )


def test_pixel_bounds_keep_the_shape(clip_path: Path) -> None:
    (_, height, width, _) = FrameSampling(frames=1, max_pixels=800).sample(clip_path).pixels.shape
    assert 600 <= height * width <= 800
    assert abs(width / height - 48 / 32) < 0.1
    (_, *small, _) = (
        FrameSampling(frames=1, size_px=12, max_pixels=800).sample(clip_path).pixels.shape
    )
    assert max(small) == 12


def test_a_clip_that_begins_after_the_end_is_named(clip_path: Path) -> None:
    with pytest.raises(UnreadableVideo, match="clip_outside"):
        FrameSampling(frames=2).sample(Segment(clip_path, (5.0, 6.0)))


def test_rules_that_are_not_used_leave_no_trace() -> None:
    assert FrameSampling(frames=3).model_dump() == {"frames": 3, "size_px": None}
    used = FrameSampling(frames=3, fps=1.0, max_pixels=9)
    assert FrameSampling(**used.model_dump()) == used


@pytest.fixture(scope="module")
def clip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 4 frames a second, 32 x 48."""
    import numpy as np

    from storm.videos.decoding.encode import encode_mp4

    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    encode_mp4(path, np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3), np.uint8), fps=4)
    return path

"""Decoding ahead: in order, beside the model, and a decoder's end costs one video."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from failing_sampling import FailingSampling

from storm.errors import UnreadableVideo
from storm.videos.decoding import prefetch
from storm.videos.decoding.prefetch import PrefetchDecoder, sample_isolated
from storm.videos.decoding.sampling import FrameSampling, Segment
from storm.videos.frames import VideoFrames

SAMPLING = FrameSampling(frames=4, size_px=32)


def segments(*names: str) -> list[Segment]:
    return [Segment(Path(f"{number}-{name}.mp4")) for number, name in enumerate(names)]


def outcome(found: VideoFrames | UnreadableVideo) -> int | str:
    return found.reason if isinstance(found, UnreadableVideo) else int(found.pixels.max())


def decoded(decoding: PrefetchDecoder, wanted: Sequence[Segment]) -> list[int | str]:
    found = list(decoding.stream(wanted))
    assert [segment for segment, _ in found] == list(wanted)
    return [outcome(one) for _, one in found]


@pytest.mark.integration
def test_a_decoder_that_dies_hangs_or_fails_loses_only_its_video() -> None:
    wanted = segments("fine", "dies", "fine", "bad", "hangs", "fine", "dies", "fine")
    with PrefetchDecoder(FailingSampling(), workers=2, ahead=3, max_seconds=5) as decoding:
        found = decoded(decoding, wanted)
    assert found == [0, "signal_11", 2, "damaged", "timeout", 5, "signal_11", 7]


def test_leaving_early_ends_the_workers_at_once() -> None:
    before = threading.active_count()
    with PrefetchDecoder(FailingSampling(), workers=1, ahead=4) as decoding:
        assert outcome(next(decoding.stream(segments("fine", "hangs", "hangs")))[1]) == 0
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert threading.active_count() == before


@pytest.mark.integration
def test_decoding_goes_on_while_the_model_works_but_not_too_far(tmp_path: Path) -> None:
    wanted = [Segment(tmp_path / f"{number}-touch") for number in range(8)]

    def touched() -> int:
        return len(list(tmp_path.iterdir()))

    with PrefetchDecoder(FailingSampling(), workers=1, ahead=3) as decoding:
        stream = decoding.stream(wanted)
        next(stream)
        end = time.monotonic() + 60
        while touched() < 4 and time.monotonic() < end:  # the model is busy with the first
            time.sleep(0.05)
        assert touched() == 4
        time.sleep(0.5)
        assert touched() == 4, "no more than three beyond the one in hand"
        assert len(list(stream)) == 7


def test_a_segment_that_repeats_is_decoded_once() -> None:
    (segment,) = segments("fine")
    with PrefetchDecoder(FailingSampling(), workers=2, ahead=4) as decoding:
        first, second = (found for _, found in decoding.stream([segment, segment]))
    assert first is second


def test_frames_are_those_of_the_same_rule_here(film: Path) -> None:
    frames, expected = sample_isolated(SAMPLING, film), SAMPLING.sample(film)
    assert np.array_equal(frames.pixels, expected.pixels)
    assert frames.pts_seconds == expected.pts_seconds
    assert frames.decode_seconds > 0


@pytest.mark.integration
def test_faults_keep_their_reason(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnreadableVideo, match=r"missing: .*none\.mp4"):
        sample_isolated(SAMPLING, tmp_path / "none.mp4")
    monkeypatch.setattr(prefetch, "MAX_SECONDS", 0.0)
    with pytest.raises(UnreadableVideo, match=r"timeout: .*film\.mp4"):
        sample_isolated(SAMPLING, film)

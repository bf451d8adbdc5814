"""The generators without a model: `keyframes`, `source` and one of a stranger."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from own_components import StillGenerator
from pydantic import ValidationError

from storm.records import Rejected
from storm.thought_videos.base import GeneratedClip, fit
from storm.thought_videos.keyframes import KeyframesGenerator
from storm.thought_videos.source import SourceGenerator

ALL = pytest.mark.parametrize("kind", [KeyframesGenerator, SourceGenerator, StillGenerator])


@ALL
def test_clips_have_their_format_and_are_repeatable(kind, ask):
    config = kind.Config(frames=7, height_px=32, width_px=48, fps=5)
    requests = [ask("one"), ask("two")]
    first, again = (list(config.build("cpu").generate(requests)) for _ in range(2))
    assert len(first) == 2
    for a, b in zip(first, again, strict=True):
        assert isinstance(a, GeneratedClip)
        assert a.frames.shape == (7, 32, 48, 3)
        assert a.frames.dtype == np.uint8
        assert a.fps == 5
        assert np.array_equal(a.frames, b.frames)


@ALL
def test_unknown_and_impossible_settings_are_refused(kind):
    for wrong in ({"colour": 1}, {"height_px": 33}, {"frames": 0}):
        with pytest.raises(ValidationError):
            kind.Config(**wrong)


def levels(drawn: GeneratedClip) -> list[float]:
    return [round(float(frame.mean())) for frame in drawn.frames]


def test_keyframes_hold_and_then_fade(ask):
    config = KeyframesGenerator.Config(frames=9, fade=0.5)
    (drawn,) = config.build("cpu").generate([ask()])
    assert levels(drawn) == [60, 60, 60, 90, 120, 120, 120, 150, 180]
    (cut,) = KeyframesGenerator.Config(frames=9, fade=0).build("cpu").generate([ask()])
    assert levels(cut) == [60] * 4 + [120] * 4 + [180]
    (even,) = KeyframesGenerator.Config(frames=5, fade=1).build("cpu").generate([ask()])
    assert levels(even) == [60, 90, 120, 150, 180]


def test_keyframes_are_at_their_own_times(ask):
    (drawn,) = (
        KeyframesGenerator.Config(frames=11, fade=0)
        .build("cpu")
        .generate([ask(times=(0.0, 0.21, 1.0))])
    )
    assert levels(drawn) == [60] * 3 + [120] * 7 + [180]


def test_one_keyframe_is_held(ask):
    (drawn,) = (
        KeyframesGenerator.Config(frames=3)
        .build("cpu")
        .generate([ask(brightness=(70,), times=(0.5,))])
    )
    assert levels(drawn) == [70] * 3


def test_source_shows_the_input_in_order(ask):
    (drawn,) = SourceGenerator.Config(frames=10).build("cpu").generate([ask()])
    found = levels(drawn)
    assert found == sorted(found)
    assert found[0] == pytest.approx(48, abs=2)  # frame 1 of 40, 48, …
    assert found[-1] == pytest.approx(40 + 8 * 19, abs=2)


def test_source_of_an_unreadable_video_is_rejected_and_the_rest_goes_on(ask, tmp_path: Path):
    bad = dataclasses.replace(ask("bad"), source=tmp_path / "none.mp4")
    refused, drawn = SourceGenerator.Config(frames=3).build("cpu").generate([bad, ask("good")])
    assert isinstance(refused, Rejected)
    assert (refused.id, refused.reason) == ("bad", "missing")
    assert isinstance(drawn, GeneratedClip)


def test_fit_cuts_and_never_stretches():
    frame = np.zeros((40, 80, 3), np.uint8)
    frame[:, :20] = 255  # a quarter on the left, all of it cut away
    assert fit(frame, 20, 20)[:, 2:].max() <= 2  # the filter rings a little at the edge
    assert fit(frame, 40, 80) is frame

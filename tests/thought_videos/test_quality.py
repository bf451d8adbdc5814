"""The gate names each fault, and lets it pass when its threshold is off."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from storm.thought_videos.base import GeneratedClip
from storm.thought_videos.quality import QualityGate


def good() -> np.ndarray:
    """9 frames that begin like the first keyframe (brightness 60) and change."""
    return np.stack([np.full((48, 64, 3), 60 + 5 * t, np.uint8) for t in range(9)])


def name(clip: np.ndarray, request, **settings) -> str | None:
    drawn = GeneratedClip(clip, 8.0, nan=settings.pop("share", 0.0))
    fault = QualityGate(**({"frames": 9} | settings)).fault(drawn, request)
    assert fault is None or (fault.detail and "\n" not in fault.detail)
    return fault and fault.reason


def broken() -> dict[str, np.ndarray]:
    return {
        "nan": good(),
        "black": good() // 60 * np.array([0, 1, 2] * 3, np.uint8)[:, None, None, None],
        "static": np.repeat(good()[:1], 9, 0),
        "wrong_length": good()[:8],
        "first_frame_unlike": good()[::-1] + 80,
        "wrong_shape": good()[..., :2],
    }


def test_a_good_clip_passes(ask):
    assert name(good(), ask()) is None


@pytest.mark.parametrize("reason", list(broken()))
def test_each_fault_has_its_name(ask, reason: str):
    share = 0.001 if reason == "nan" else 0.0
    assert name(broken()[reason], ask(), share=share) == reason


def test_nan_may_pass_too(ask):
    assert name(good(), ask(), share=0.5, nan=False) is None


@pytest.mark.parametrize(
    ("reason", "setting"),
    [
        ("black", "black"),
        ("static", "static"),
        ("wrong_length", "frames"),
        ("first_frame_unlike", "first_frame_unlike"),
    ],
)
def test_a_threshold_of_none_lets_its_fault_pass(ask, reason: str, setting: str):
    others = {"black": {"first_frame_unlike": None}}.get(reason, {})
    assert name(broken()[reason], ask(), **others) == reason
    assert name(broken()[reason], ask(), **others, **{setting: None}) is None


def test_no_frames_at_all_is_a_wrong_length(ask):
    assert name(good()[:0], ask(), frames=None) == "wrong_length"


def test_one_moving_pixel_is_static_still(ask):
    frames = np.repeat(good()[:1], 9, 0)
    frames[::2, 0, 0] = 65
    assert name(frames, ask()) == "static"


def test_the_first_frame_may_have_another_size(ask):
    frames = np.stack([np.full((96, 96, 3), 60 + 5 * t, np.uint8) for t in range(9)])
    assert name(frames, ask()) is None


def test_unknown_thresholds_are_refused():
    with pytest.raises(ValidationError):
        QualityGate(blur=1.0)

"""Keyframes and requests of a small film."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from storm.records import Keyframes, ThoughtPrompt
from storm.thought_videos.base import GeneratorRequest
from storm.videos.decoding.encode import encode_mp4, jpeg

Ask = Callable[..., GeneratorRequest]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 frames of 48 x 64, each brighter than the one before, 10 a second."""
    frames = (
        np.zeros((20, 48, 64, 3), np.uint8)
        + (40 + 8 * np.arange(20, dtype=np.uint8))[:, None, None, None]
    )
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    encode_mp4(path, frames, 10)
    return path


@pytest.fixture
def ask(film: Path) -> Ask:
    """A request; the keyframes are even colours of the given brightness at the given times."""

    def build(
        name: str = "q",
        seed: int = 0,
        brightness: tuple[int, ...] = (60, 120, 180),
        times: tuple[float, ...] = (0.0, 1.0, 2.0),
    ) -> GeneratorRequest:
        keyframes = Keyframes(
            id="v",
            pts_seconds=times,
            reasons=("first", *("motion_peak",) * (len(times) - 2), "last")[: len(times)],
            scores=tuple(0.1 * (i + 1) for i in range(len(times))),
            images=tuple(jpeg(np.full((48, 64, 3), value, np.uint8)) for value in brightness),
            duration_seconds=2.1,
        )
        prompt = ThoughtPrompt(
            id=name, video_id="v", prompt=f"{name} grows.", steps=(), teacher="t", saw_answer=False
        )
        return GeneratorRequest(prompt, keyframes, film, seed)

    return build

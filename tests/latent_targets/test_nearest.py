"""The nearest targets are those of the same slot, and the frames are the slot's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gray_thoughts import FRAMES, QUESTIONS, gray_of, write_thoughts
from PIL import Image

from storm.artifacts.store import Store, upstream
from storm.errors import DataError, StoreError
from storm.latent_targets.nearest import nearest_targets, nearest_training_frames
from storm.records import LatentTarget
from storm.report.strip import save_strip

K, HIDDEN = 4, 6


@pytest.fixture
def targets() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((2, K, HIDDEN)).astype(np.float32)


def test_each_slot_finds_its_own_target(targets: np.ndarray) -> None:
    rows = [LatentTarget(id=q, latents=x) for q, x in zip(QUESTIONS, targets, strict=True)]
    whose = [1, 0, 0, 1]
    latents = np.stack([targets[q, slot] for slot, q in enumerate(whose)])
    assert nearest_targets(latents, rows) == [(QUESTIONS[q], 0.0) for q in whose]
    found = nearest_targets(1.25 * latents, rows)
    assert [question for question, _ in found] == [QUESTIONS[q] for q in whose]
    assert [distance for _, distance in found] == pytest.approx([0.25] * K, abs=1e-6)
    rolled = np.roll(latents, 1, axis=0)
    assert all(distance > 0.1 for _, distance in nearest_targets(rolled, rows))
    for wrong in (latents[:2], latents[:, :3]):
        with pytest.raises(DataError, match="trained with"):
            nearest_targets(wrong, rows)
    with pytest.raises(DataError, match="found none"):
        nearest_targets(latents, [])


def test_frames_are_those_of_the_slot(targets: np.ndarray, tmp_path: Path) -> None:
    made = write_thoughts(Store(tmp_path), targets)
    whose = [1, 0, 0, 1]
    found = nearest_training_frames(
        np.stack([targets[q, slot] for slot, q in enumerate(whose)]), made
    )
    assert [n.slot for n in found] == list(range(K))
    for neighbour, question in zip(found, whose, strict=True):
        assert neighbour.question_id == QUESTIONS[question]
        in_slot = range(neighbour.slot * FRAMES // K, (neighbour.slot + 1) * FRAMES // K)
        gaps = [abs(neighbour.frame.mean() - gray_of(question, t)) for t in in_slot]
        assert min(gaps) < 4, "of another slot or clip"
    save_strip(tmp_path / "strip.png", found)
    picture = np.asarray(Image.open(tmp_path / "strip.png").convert("L"))
    column = picture.shape[1] // K
    for neighbour in found:
        middle = picture[picture.shape[0] // 2 - 20, neighbour.slot * column + column // 2]
        assert abs(int(middle) - neighbour.frame.mean()) < 4
    with pytest.raises(StoreError, match="expected thought_videos among the inputs"):
        nearest_training_frames(targets[0], upstream(made, "thought_videos"))

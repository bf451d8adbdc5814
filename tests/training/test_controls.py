"""Targets that are wrong on purpose keep their shape and lose what they should."""

from __future__ import annotations

import pytest
import torch

from storm.errors import DataError
from storm.training import controls


def targets(questions: int = 12) -> torch.Tensor:
    return torch.randn(questions, 3, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_everyone_has_another_videos_target(seed: int) -> None:
    videos = [f"v{n // 3}" for n in range(12)]
    giver = controls.donors(videos, seed)
    assert all(videos[giver[n]] != videos[n] for n in range(12))
    assert sorted(giver) == list(range(12)), "where videos have as many questions, each gives once"
    own = targets()
    assert torch.equal(controls.shuffled(own, videos, seed), own[giver])
    assert giver == controls.donors(videos, seed)
    assert giver != controls.donors(videos, seed + 3)


def test_a_video_with_fewer_questions_gives_them_again() -> None:
    assert controls.donors(["a", "a", "a", "b"], 0) == [3, 3, 3, 0]
    with pytest.raises(DataError, match="at least two videos"):
        controls.donors(["a", "a"], 0)


def test_the_mean_keeps_what_belongs_to_the_slot() -> None:
    own = targets()
    found = controls.mean(own)
    assert found.shape == own.shape
    torch.testing.assert_close(found[5], own.mean(0))
    assert not torch.allclose(found[0, 0], found[0, 1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_noise_is_as_long_and_points_elsewhere(dtype: torch.dtype) -> None:
    own = targets(200).to(dtype)
    found = controls.gaussian(own, 0)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.float().norm(dim=-1), own.float().norm(dim=-1), rtol=0.02, atol=0
    )
    cosine = torch.nn.functional.cosine_similarity(found.float(), own.float(), dim=-1)
    assert cosine.mean().abs() < 0.05
    assert torch.equal(found, controls.gaussian(own, 0))
    assert not torch.equal(found, controls.gaussian(own, 1))


def test_one_vector_is_in_every_slot() -> None:
    vectors = targets()[:, 0]
    found = controls.repeated(vectors, 4)
    assert found.shape == (12, 4, 8)
    assert all(torch.equal(found[:, slot], vectors) for slot in range(4))

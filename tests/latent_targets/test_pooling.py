"""Tokens to K vectors: which tokens each of them averages."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from storm.errors import ConfigError
from storm.latent_targets.pooling import AttentionPooling, FlatPooling, Pooling, TemporalPooling


def tokens(steps: int, per_step: int, hidden: int = 5) -> torch.Tensor:
    return torch.randn(steps * per_step, hidden, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("pooling", [FlatPooling.Config(), TemporalPooling.Config()])
def test_whole_steps_are_averaged_by_both(pooling):
    x = tokens(8, 4)
    pooled = pooling.build(4)(x, (8, 4, 4))
    assert pooled.shape == (4, 5)
    assert torch.allclose(pooled[1], x[8:16].mean(0))
    assert torch.allclose(pooling.build(1)(x, (8, 4, 4))[0], x.mean(0), atol=1e-6)
    assert torch.equal(pooling.build(8)(x, (8, 4, 4)), pooling.build(8)(x, (8, 4, 4)))


def test_flat_cuts_through_steps_as_the_paper_does():
    x = tokens(3, 4)
    pooled = FlatPooling.Config().build(5)(x, (3, 4, 4))
    assert torch.allclose(pooled[0], x[0:3].mean(0))  # floor(0), ceil(12 / 5)
    assert torch.allclose(pooled[1], x[2:5].mean(0))
    assert torch.allclose(pooled[4], x[9:12].mean(0))


def test_temporal_refuses_a_k_that_does_not_divide_the_steps():
    with pytest.raises(ConfigError, match=r"k = 5 to divide .* 8 time steps"):
        TemporalPooling.Config().build(5)(tokens(8, 4), (8, 4, 4))
    with pytest.raises(ConfigError, match="k = 16"):
        TemporalPooling.Config().build(16)(tokens(8, 4), (8, 4, 4))
    TemporalPooling.Config().check(4, 8)
    FlatPooling.Config().check(5, 8)


@pytest.mark.parametrize("pooling", [FlatPooling.Config(), AttentionPooling.Config()])
def test_more_vectors_than_tokens_are_refused(pooling):
    with pytest.raises(ConfigError, match="k = 9 tokens"):
        pooling.build(9)(tokens(8, 1), (8, 2, 2))


@pytest.mark.parametrize("k", [1, 3, 4, 8])
def test_attention_that_is_not_sharp_or_sees_no_change_is_flat(k):
    x = tokens(8, 4)
    still = x[:4].repeat(8, 1)
    flat, grid = FlatPooling.Config().build(k), (8, 4, 4)
    assert torch.allclose(
        AttentionPooling.Config(sharpness=0).build(k)(x, grid), flat(x, grid), atol=1e-6
    )
    if 8 % k == 0:
        pooled = AttentionPooling.Config().build(k)(still, grid)
        assert torch.allclose(pooled, flat(still, grid), atol=1e-5)


def test_attention_looks_at_what_is_particular_to_its_time():
    """Three tokens of each step never change; the fourth has a direction of its own in each."""
    background = tokens(1, 3, hidden=16).repeat(8, 1).reshape(8, 3, 16)
    moving = 4 * torch.eye(16)[:8, None]
    x = torch.cat([background, moving], 1).reshape(32, 16)
    pooled = AttentionPooling.Config().build(8)(x, (8, 4, 4))
    flat = FlatPooling.Config().build(8)(x, (8, 4, 4))
    assert torch.equal(pooled, AttentionPooling.Config().build(8)(x, (8, 4, 4)))
    near = torch.nn.functional.cosine_similarity
    assert (near(pooled, moving[:, 0]) > near(flat, moving[:, 0]) + 0.1).all()
    assert (near(pooled, moving[:, 0]) > 0.95).all()


@pytest.mark.parametrize(
    "pooling", [FlatPooling.Config(), TemporalPooling.Config(), AttentionPooling.Config()]
)
def test_a_grid_that_does_not_fit_the_tokens_is_refused(pooling):
    with pytest.raises(ConfigError, match="multiple of 8 time steps"):
        pooling.build(4)(tokens(31, 1), (8, 4, 4))


def test_kind_picks_the_class():
    adapter = TypeAdapter(Pooling)
    assert isinstance(adapter.validate_python({"kind": "flat"}).build(2), FlatPooling)
    assert isinstance(adapter.validate_python({"kind": "temporal"}).build(2), TemporalPooling)
    assert isinstance(adapter.validate_python({"kind": "attention"}).build(2), AttentionPooling)
    for wrong in ({"kind": "average"}, {"kind": "attention", "sharpness": -1}):
        with pytest.raises(ValidationError):
            adapter.validate_python(wrong)

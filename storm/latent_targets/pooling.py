"""Pooling of a thought video's visual tokens to K vectors, one per latent state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from storm.config import FrozenModel
from storm.errors import ConfigError

if TYPE_CHECKING:
    import torch


class Pool(Protocol):
    """A pooling to a fixed number K of vectors."""

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """Pool (N, d) tokens of a (t, h, w) grid of patches to (K, d)."""
        ...


class FlatPooling:
    """K averages over the sequence of tokens, as in the paper.

    Adaptive average pooling: group i covers the tokens from floor(i N / K) to ceil((i+1) N / K).
    Tokens are in temporal order: if K divides the time steps, groups are whole steps.
    """

    class Config(FrozenModel):
        """Settings of this pooling."""

        kind: Literal["flat"] = "flat"

        def check(self, k: int, time_steps: int) -> None:
            """Accept any number of time steps."""

        def build(self, k: int) -> FlatPooling:
            """Return the pooling to `k` vectors."""
            return FlatPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """Pool (N, d) tokens of a (t, h, w) grid to (K, d); raise ConfigError if N < K."""
        import torch.nn.functional as F

        _time_steps(tokens, grid_thw)
        _require_tokens(tokens, self.k)
        return F.adaptive_avg_pool1d(tokens.T.unsqueeze(0), self.k)[0].T.contiguous()


class TemporalPooling:
    """K averages, each over the same number of whole time steps."""

    class Config(FrozenModel):
        """Settings of this pooling."""

        kind: Literal["temporal"] = "temporal"

        def check(self, k: int, time_steps: int) -> None:
            """Raise `ConfigError` unless `k` divides the number of time steps."""
            if time_steps % k:
                raise ConfigError(
                    f"expected k = {k} to divide the thought video's {time_steps} time steps "
                    "(frames over the temporal patch): change k or the frames, or pool `flat`"
                )

        def build(self, k: int) -> TemporalPooling:
            """Return the pooling to `k` vectors."""
            return TemporalPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """Pool (N, d) tokens of a (t, h, w) grid to (K, d); raise ConfigError as `check` does."""
        self.config.check(self.k, _time_steps(tokens, grid_thw))
        return tokens.reshape(self.k, -1, tokens.shape[-1]).mean(1)


class AttentionPooling:
    """K weighted averages, each over one stretch of time, that favor what changes in it.

    As in pooling by attention with seeds (Set Transformer, arXiv 1810.00825), but nothing is
    learned. A token's key is its difference from the mean of its place over time: zero where
    nothing changes. The seed of group i is the direction of its mean key; the weights are the
    softmax of `sharpness` times the keys' projections on it, in units of the tokens' RMS norm.
    The groups are those of `flat`; a static clip, or `sharpness` 0, gives the same as `flat`.
    """

    class Config(FrozenModel):
        """Settings of this pooling."""

        kind: Literal["attention"] = "attention"
        sharpness: float = Field(8.0, ge=0)

        def check(self, k: int, time_steps: int) -> None:
            """Accept any number of time steps."""

        def build(self, k: int) -> AttentionPooling:
            """Return the pooling to `k` vectors."""
            return AttentionPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """Pool (N, d) tokens of a (t, h, w) grid to (K, d); raise ConfigError if N < K."""
        import torch

        steps, n = _time_steps(tokens, grid_thw), len(tokens)
        _require_tokens(tokens, self.k)
        places = tokens.reshape(steps, -1, tokens.shape[-1])
        keys = (places - places.mean(0)).reshape(n, -1)
        size = tokens.square().sum(1).mean().sqrt().clamp_min(1e-12)
        pooled = []
        for i in range(self.k):
            group = slice(i * n // self.k, -(-(i + 1) * n // self.k))
            seed = keys[group].mean(0)
            seed = seed / (seed.norm() + 1e-3 * size)  # rounding errors have no direction
            weights = torch.softmax(self.config.sharpness * (keys[group] @ seed) / size, 0)
            pooled.append(weights @ tokens[group])
        return torch.stack(pooled)


def _require_tokens(tokens: torch.Tensor, k: int) -> None:
    if len(tokens) < k:
        raise ConfigError(
            f"expected at least k = {k} tokens to pool, found {len(tokens)}: "
            "lower k, or show the student more or larger frames"
        )


def _time_steps(tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> int:
    """Return the time steps of the grid, which share the tokens equally: merging is spatial."""
    steps = int(grid_thw[0])
    if tokens.ndim != 2 or steps < 1 or len(tokens) % steps:
        raise ConfigError(
            f"expected (N, d) tokens with N a multiple of {steps} time steps, "
            f"found {tuple(tokens.shape)}"
        )
    return steps


Pooling = Annotated[
    FlatPooling.Config | TemporalPooling.Config | AttentionPooling.Config,
    Field(discriminator="kind"),
]

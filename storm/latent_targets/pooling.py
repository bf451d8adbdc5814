"""Pooling: the merged tokens of a thought video to K vectors, one for each latent state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from storm.errors import ConfigError

if TYPE_CHECKING:
    import torch


class FlatPooling:
    """K averages over the sequence of tokens, as the paper has it.

    Adaptive average pooling: group i covers the tokens from floor(i N / K) to ceil((i+1) N / K).
    Tokens stand in order of time, so where K divides the time steps these are whole steps.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["flat"] = "flat"

        def check(self, k: int, time_steps: int) -> None:
            """Any number of time steps will do."""

        def build(self, k: int) -> FlatPooling:
            return FlatPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """(N, d) tokens of a (t, h, w) grid of patches to (K, d); raises ConfigError if N < K."""
        import torch.nn.functional as F

        _steps(tokens, grid_thw)
        _refuse_fewer(tokens, self.k)
        return F.adaptive_avg_pool1d(tokens.T.unsqueeze(0), self.k)[0].T.contiguous()


class TemporalPooling:
    """K averages, each over the same number of whole time steps."""

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["temporal"] = "temporal"

        def check(self, k: int, time_steps: int) -> None:
            """Raise `ConfigError` unless `k` divides the number of time steps."""
            if time_steps % k:
                raise ConfigError(
                    f"expected k = {k} to divide the thought video's {time_steps} time steps "
                    "(frames over the temporal patch): change k or the frames, or pool `flat`"
                )

        def build(self, k: int) -> TemporalPooling:
            return TemporalPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """(N, d) tokens of a (t, h, w) grid of patches to (K, d); raises ConfigError as `check`."""
        self.config.check(self.k, _steps(tokens, grid_thw))
        return tokens.reshape(self.k, -1, tokens.shape[-1]).mean(1)


class AttentionPooling:
    """K weighted averages, each over one stretch of time, led by what happens in it.

    As in pooling by attention with seeds (Set Transformer, arXiv 1810.00825), but nothing is
    learned. A token's key is what it differs by from the average of its place over all time, so
    what stays the same has none. The seed of group i is the direction of its average key; weights
    are the softmax of `sharpness` times the keys' parts along it, in units of the tokens' size.
    The groups are those of `flat`; a clip that stands still, or `sharpness` 0, gives what `flat`
    gives.
    """

    class Config(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")

        kind: Literal["attention"] = "attention"
        sharpness: float = Field(8.0, ge=0)

        def check(self, k: int, time_steps: int) -> None:
            """Any number of time steps will do."""

        def build(self, k: int) -> AttentionPooling:
            return AttentionPooling(self, k)

    def __init__(self, config: Config, k: int):
        self.config, self.k = config, k

    def __call__(self, tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> torch.Tensor:
        """(N, d) tokens of a (t, h, w) grid of patches to (K, d); raises ConfigError if N < K."""
        import torch

        steps, n = _steps(tokens, grid_thw), len(tokens)
        _refuse_fewer(tokens, self.k)
        places = tokens.reshape(steps, -1, tokens.shape[-1])
        keys = (places - places.mean(0)).reshape(n, -1)
        size = tokens.square().sum(1).mean().sqrt().clamp_min(1e-12)
        pooled = []
        for i in range(self.k):
            group = slice(i * n // self.k, -(-(i + 1) * n // self.k))
            seed = keys[group].mean(0)
            seed = seed / (seed.norm() + 1e-3 * size)  # of rounding alone: no direction
            weights = torch.softmax(self.config.sharpness * (keys[group] @ seed) / size, 0)
            pooled.append(weights @ tokens[group])
        return torch.stack(pooled)


def _refuse_fewer(tokens: torch.Tensor, k: int) -> None:
    if len(tokens) < k:
        raise ConfigError(
            f"expected at least k = {k} tokens to pool, found {len(tokens)}: "
            "lower k, or show the student more or larger frames"
        )


def _steps(tokens: torch.Tensor, grid_thw: tuple[int, int, int]) -> int:
    """The time steps of the grid; merging is in space, so each has the same share of the tokens."""
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

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
    """K weighted averages, each over one stretch of time, led by what is particular to it.

    As in pooling by attention with seeds (Set Transformer, arXiv 1810.00825), but nothing is
    learned: the seed of group i is the average of its tokens minus the average of all tokens,
    the keys are the tokens minus that same average, and weights are the softmax of `sharpness`
    times their cosine. What stays the same all through the clip (most of a background) points
    nowhere and weighs little where something happens. The groups are those of `flat`; a clip
    in which nothing changes over time, or `sharpness` 0, gives what `flat` gives.
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
        import torch.nn.functional as F

        _steps(tokens, grid_thw)
        _refuse_fewer(tokens, self.k)
        n, keys = len(tokens), tokens - tokens.mean(0)
        pooled = []
        for i in range(self.k):
            group = slice(i * n // self.k, -(-(i + 1) * n // self.k))
            seed = keys[group].mean(0, keepdim=True)
            cosine = F.cosine_similarity(keys[group], seed, dim=1)
            weights = torch.softmax(self.config.sharpness * cosine, 0)
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

"""What a student knows of its latent span: how long it is, its tokens, its head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from storm.config import FrozenModel
from storm.errors import ConfigError
from storm.videos.decoding.sampling import FrameSampling

if TYPE_CHECKING:
    from torch import nn


class LatentConfig(FrozenModel):
    """The latent span: fixed when a student is trained.

    Attributes:
        k: Latent states between question and answer.
        input: What the model reads in their places. `states`: each latent, after a step of its
            own. `queries`: K learned tokens in one parallel pass, as in OneVL; `pads`: one token
            K times. A stock engine serves the last two, whose answers are a longer prompt.
        head: The map from a hidden state to a latent.
    """

    k: int = Field(default=8, ge=0)
    input: Literal["states", "queries", "pads"] = "states"
    head: Literal["identity", "rms", "mlp"] = "identity"
    start: str = "<|latent_start|>"
    pad: str = "<|latent_pad|>"
    end: str = "<|latent_end|>"

    @property
    def tokens(self) -> tuple[str, ...]:
        """All tokens of its own: start, pad and end, then the queries, if it has any."""
        queries = self.span if self.input == "queries" else ()
        return self.start, self.pad, self.end, *queries

    @property
    def span(self) -> tuple[str, ...]:
        """The K tokens between start and end."""
        if self.input == "queries":
            return tuple(f"<|latent_{i + 1}|>" for i in range(self.k))
        return (self.pad,) * self.k

    @property
    def rolls_out(self) -> bool:
        """Whether each latent is a step, fed back to the model."""
        return self.input == "states"

    def require(self, k: int | None) -> None:
        """Raise ConfigError if another number of steps is asked for than was trained."""
        if k is not None and k != self.k:
            raise ConfigError(
                f"expected the checkpoint's own number of latent steps, K = {self.k}, found "
                f"{k = }: train another checkpoint for another K"
            )

    def ids(self, tokenizer: Any) -> dict[str, int]:
        """Return the id of each of its tokens; raise ConfigError if one is missing."""
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in self.tokens if token not in vocabulary]
        if missing:
            raise ConfigError(
                f"expected latent tokens in the tokenizer, found none of {missing}: import the "
                "checkpoint with storm.student.PretrainedConfig, which adds them"
            )
        return {token: vocabulary[token] for token in self.tokens}

    def build_head(self, hidden_size: int) -> nn.Module:
        """Return the module from last hidden state to next latent, both (..., hidden)."""
        from torch import nn

        if self.head == "identity":
            return nn.Identity()
        if self.head == "rms":
            return nn.RMSNorm(hidden_size, eps=1e-6)
        return _residual_mlp(hidden_size)


class CheckpointSection(LatentConfig):
    """What stands in a checkpoint's config.json under `storm`; training and inference obey it."""

    sampling: FrameSampling | None = None  # of the videos it was trained on; None: not known
    token_ids: tuple[int, int, int] | None = None  # start, pad and end, for custom_generate
    span_ids: tuple[int, ...] | None = None  # what stands between start and end, for it too

    @property
    def latent(self) -> LatentConfig:
        """The latent span's configuration alone."""
        return LatentConfig(**self.model_dump(include=set(LatentConfig.model_fields)))


def _residual_mlp(hidden_size: int) -> nn.Module:
    """Return a residual two-layer perceptron that starts as the identity."""
    from torch import nn

    class ResidualMLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.RMSNorm(hidden_size, eps=1e-6)
            self.up = nn.Linear(hidden_size, 2 * hidden_size)
            self.down = nn.Linear(2 * hidden_size, hidden_size)
            nn.init.zeros_(self.down.weight)
            nn.init.zeros_(self.down.bias)

        def forward(self, hidden: Any) -> Any:
            return hidden + self.down(nn.functional.gelu(self.up(self.norm(hidden))))

    return ResidualMLP()

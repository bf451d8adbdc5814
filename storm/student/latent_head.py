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
    """The latent span: fixed when a student is made."""

    k: int = Field(default=8, ge=0)  # latent steps between question and answer
    head: Literal["identity", "rms", "mlp"] = "identity"
    start: str = "<|latent_start|>"
    pad: str = "<|latent_pad|>"
    end: str = "<|latent_end|>"

    @property
    def tokens(self) -> tuple[str, str, str]:
        """Start, pad and end token."""
        return self.start, self.pad, self.end

    def require(self, k: int | None) -> None:
        """Raise ConfigError if another number of steps is asked for than was trained."""
        if k is not None and k != self.k:
            raise ConfigError(
                f"expected the checkpoint's own number of latent steps, K = {self.k}, found "
                f"{k = }: train another checkpoint for another K"
            )

    def ids(self, tokenizer: Any) -> tuple[int, int, int]:
        """Return the ids of start, pad and end; raise ConfigError if one is missing."""
        vocabulary = tokenizer.get_vocab()
        missing = [token for token in self.tokens if token not in vocabulary]
        if missing:
            raise ConfigError(
                f"expected latent tokens in the tokenizer, found none of {missing}: import the "
                "checkpoint with storm.student.PretrainedConfig, which adds them"
            )
        start, pad, end = (vocabulary[token] for token in self.tokens)
        return start, pad, end

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
    token_ids: tuple[int, int, int] | None = None  # of the tokens, for custom_generate

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

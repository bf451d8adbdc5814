"""How far the gradient flows back through latents that are fed to the model again."""

from __future__ import annotations

import re
from dataclasses import dataclass

from storm.errors import ConfigError


@dataclass(frozen=True)
class Gradient:
    """Which latents pass the gradient back through being fed.

    Parameters learn from every step in any case; only the path through the fed vector is cut.

    Attributes:
        last: How many of the last latents before the answer do; None: all.
    """

    last: int | None = None

    @classmethod
    def parse(cls, text: str) -> Gradient:
        """Return the gradient that a profile names: `full`, `truncated:n` or `detached`."""
        if text == "full":
            return FULL
        if text == "detached":
            return DETACHED
        match = re.fullmatch(r"truncated:([0-9]+)", text)
        if not match:
            raise ConfigError(
                f"expected gradient 'full', 'detached' or 'truncated:n', found {text!r}"
            )
        return cls(int(match[1]))

    def flows(self, k: int) -> list[bool]:
        """Return for each of K latents whether it passes the gradient back."""
        return [self.last is None or i >= k - self.last for i in range(k)]


FULL, DETACHED = Gradient(), Gradient(0)

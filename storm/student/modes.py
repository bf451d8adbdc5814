"""The ways in which a student answers."""

from __future__ import annotations

from typing import Literal, get_args

Mode = Literal["latent", "direct", "cot"]
MODES: tuple[Mode, ...] = get_args(Mode)
NEW_TOKENS: dict[Mode, int] = {"latent": 16, "direct": 16, "cot": 512}  # at most, per answer

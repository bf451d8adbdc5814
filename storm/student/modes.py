"""The ways in which a student answers."""

from __future__ import annotations

from typing import Literal, get_args

Mode = Literal["latent", "direct", "cot"]
MODES: tuple[Mode, ...] = get_args(Mode)

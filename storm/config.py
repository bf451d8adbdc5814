"""Types that configurations and rows share."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

Device = Literal["cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = get_args(Device)
Dtype = Literal["float32", "bfloat16"]  # of a student's weights and features
Split = Literal["base", "train", "test"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class FrozenModel(BaseModel):
    """A configuration: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

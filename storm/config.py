"""Types that configurations and rows share."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, field_validator

Device = Literal["cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = get_args(Device)
Dtype = Literal["float32", "bfloat16"]  # of a student's weights and features
Split = Literal["base", "train", "test"]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class FrozenModel(BaseModel):
    """A configuration: immutable, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentConfig(FrozenModel):
    """Configuration of a component; a subclass gives `kind` its own name as default."""

    kind: str

    @field_validator("kind")
    @classmethod
    def _is_own(cls, value: str) -> str:
        own = cls.model_fields["kind"].default
        if value != own:
            raise ValueError(f"expected {own!r}, found {value!r}")
        return value

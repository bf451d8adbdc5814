"""Types shared by configurations and rows."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, field_validator

Device = Literal["cpu", "cuda", "mps"]
DEVICES: tuple[Device, ...] = get_args(Device)
Dtype = Literal["float32", "bfloat16"]  # of weights and features of a student
Split = Literal["base", "train", "val", "test"]  # val: what a training chooses by
SPLITS: tuple[Split, ...] = get_args(Split)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class FrozenModel(BaseModel):
    """Base class of configurations: immutable, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ComponentConfig(FrozenModel):
    """Base class of component configurations.

    A subclass declares its `kind` as the default of that field; any other value is an error.
    """

    kind: str

    @field_validator("kind")
    @classmethod
    def _check_kind(cls, value: str) -> str:
        expected = cls.model_fields["kind"].default
        if value != expected:
            raise ValueError(f"expected {expected!r}, found {value!r}")
        return value

"""How it runs, never what it makes: devices, workers, child processes.

Nothing here enters an artifact's identity.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from storm.config import Device


class Runtime(BaseModel):
    """The part of a profile that may differ between machines for the same artifacts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device = "cpu"
    workers: int = Field(2, ge=1, description="child processes at a time")
    gpus: int = Field(0, ge=0, description="of this node: a child that trains sees all, others one")
    threads: int = Field(1, ge=1, description="CPU threads of one child")
    ranks: int = Field(1, ge=1, description="training processes, one a GPU")
    zero_stage: Literal[0, 1, 2, 3] = 0
    gradient_checkpointing: bool = Field(False, description="recompute the prompt's layers")
    micro_batch: int | None = Field(None, ge=1, description="rows a rank holds at once; None: all")
    batch: int = Field(32, ge=1, description="items that a model sees at once in other stages")
    decoders: int = Field(2, ge=1, description="processes that decode ahead of one evaluation")
    stall_seconds: float = Field(900, gt=0, description="a child silent for longer is killed")
    memory_gb: float | None = Field(None, gt=0, description="a child that holds more is killed")
    save_every: int = Field(200, ge=1, description="optimiser steps between training checkpoints")

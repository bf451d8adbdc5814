"""How stages run: devices, workers, limits of child processes.

None of it is part of an artifact's identity.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from storm.config import Device, FrozenModel


class Runtime(FrozenModel):
    """The section of a profile that may differ between machines for the same artifacts."""

    device: Device = Field("cpu", description="where models run")
    workers: int = Field(2, ge=1, description="child processes that run at the same time")
    gpus: int = Field(
        0,
        ge=0,
        description="GPUs of this node; a training sees all, other children one",
    )
    threads: int = Field(1, ge=1, description="CPU threads per child")
    ranks: int = Field(1, ge=1, description="training processes, one per GPU")
    zero_stage: Literal[0, 1, 2, 3] = Field(0, description="DeepSpeed ZeRO stage of a training")
    gradient_checkpointing: bool = Field(False, description="recompute layers to save memory")
    micro_batch: int | None = Field(
        None,
        ge=1,
        description="rows per forward pass; None: all of a rank",
    )
    batch: int = Field(32, ge=1, description="items per batch in all stages but training")
    decoders: int = Field(2, ge=1, description="decoding processes per evaluation")
    stall_seconds: float = Field(900, gt=0, description="kill a child that is silent for longer")
    memory_gb: float | None = Field(None, gt=0, description="kill a child that uses more memory")
    save_every: int = Field(200, ge=1, description="optimizer steps between training checkpoints")

"""DeepSpeed around an objective's module: forward, backward, clip, step, save, load.

torch's AdamW is passed in (DeepSpeed's own takes minutes to compile); the learning rate is set
from the schedule at every step, so it needs no state of its own. Gradients are summed in fp32;
in bf16 the optimizer works on fp32 master weights, or an update of 1e-5 would round to nothing.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import socket
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from storm.errors import StoreError
from storm.training.schedule import learning_rate
from storm.training.spec import PhaseConfig, TrainingSpec

if TYPE_CHECKING:
    from storm.training.objectives import MicroBatch


def start_distributed(device: str, patience_seconds: float) -> tuple[int, int]:
    """Join the group that the launcher describes in the environment.

    Args:
        device: `cuda` or `cpu`.
        patience_seconds: A rank that waits longer for another one ends with an error.

    Returns:
        This process's rank, and how many ranks there are.
    """
    import deepspeed

    if "MASTER_PORT" not in os.environ:  # no launcher: a group of one
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        alone = {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in alone.items()})
        os.environ["MASTER_ADDR"] = "127.0.0.1"
    if device == "cuda":  # before anything is loaded: `cuda` then means this rank's own GPU
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # an op of inference that trainings never call; to compile it takes half a minute
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    # all of them set, or DeepSpeed tries mpi4py
    deepspeed.init_distributed(
        dist_backend="nccl" if device == "cuda" else "gloo",
        auto_mpi_discovery=False,
        verbose=False,
        timeout=timedelta(seconds=patience_seconds),
    )
    return torch.distributed.get_rank(), torch.distributed.get_world_size()


class Engine:
    """Trains a module whose forward turns a collated batch into (loss, {name: number})."""

    def __init__(
        self, module: nn.Module, phase: PhaseConfig, spec: TrainingSpec, grad_accum_steps: int
    ):
        import deepspeed

        parameters = [p for p in module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(
            parameters,
            lr=phase.learning_rate,
            betas=phase.betas,
            weight_decay=phase.weight_decay,
        )
        world_size = torch.distributed.get_world_size()
        self.phase = phase
        self.module = module
        self.zero_stage = spec.runtime.zero_stage
        self._engine, *_ = deepspeed.initialize(
            model=module,
            model_parameters=parameters,  # pyright: ignore[reportArgumentType]
            optimizer=optimizer,
            config={
                # rows are weighted here, so DeepSpeed only counts micro batches
                "train_micro_batch_size_per_gpu": 1,
                "gradient_accumulation_steps": grad_accum_steps,
                "train_batch_size": grad_accum_steps * world_size,
                "gradient_clipping": phase.clip,
                "zero_optimization": {"stage": spec.runtime.zero_stage},
                "bf16": {"enabled": spec.dtype == "bfloat16"},
                "data_types": {"grad_accum_dtype": "fp32"},
                "zero_allow_untested_optimizer": True,
                "zero_force_ds_cpu_optimizer": False,
                "steps_per_print": 10**9,
            },
        )

    def step(self, step: int, batches: Sequence[MicroBatch]) -> dict[str, float]:
        """Take optimizer step `step` over this rank's micro batches.

        Returns:
            The loss and its parts as means over all ranks' rows, the learning rate, and the
            gradient's norm before clipping.
        """
        engine = self._engine
        lr = learning_rate(
            step,
            steps=self.phase.steps,
            peak=self.phase.learning_rate,
            warmup_steps=self.phase.warmup_steps,
            min_lr_ratio=self.phase.final_lr_share,
        )
        for group in engine.optimizer.param_groups:  # pyright: ignore
            group["lr"] = lr
        rows = sum(batch.rows for batch in batches)
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        norm = 0.0
        for i, batch in enumerate(batches):
            engine.set_gradient_accumulation_boundary(i == len(batches) - 1)
            loss, logs = engine(batch.data)
            engine.backward(loss * (len(batches) * batch.rows / rows))
            if i == len(batches) - 1 and self.zero_stage == 0:
                norm = self._plain_norm()  # ZeRO's optimizers keep it, the plain one doesn't
            engine.step()
            value = loss.item()
            for name, number in {"loss": value, f"{batch.source}_loss": value, **logs}.items():
                counts[name] = counts.get(name, 0) + batch.rows
                totals[name] = totals.get(name, 0.0) + number * batch.rows
        names = sorted(totals)
        means = torch.tensor([totals[name] / counts[name] for name in names], dtype=torch.float64)
        if torch.distributed.get_world_size() > 1:
            means = means.to(engine.device, torch.float32)
            torch.distributed.all_reduce(means)
            means /= torch.distributed.get_world_size()
        if self.zero_stage:
            norm = engine.get_global_grad_norm() or 0.0
        return {
            **dict(zip(names, means.tolist(), strict=True)),
            "learning_rate": lr,
            "gradient_norm": float(norm),
        }

    def agree(self, value: float) -> float:
        """Return the first rank's value on every rank; all ranks call it."""
        shared = torch.tensor([value], dtype=torch.float64, device=self._engine.device)
        torch.distributed.broadcast(shared, src=0)
        return shared.item()

    def _plain_norm(self) -> float:
        gradients = [p.grad for p in self.module.parameters() if p.grad is not None]
        return torch.nn.utils.get_total_norm(gradients).item()

    def save(self, folder: Path) -> None:
        """Save what learns and the optimizer's state into `folder`; all ranks call it.

        Frozen weights are left out: a phase always starts from the same student.
        """
        self._engine.save_checkpoint(
            str(folder.parent), tag=folder.name, save_latest=False, exclude_frozen_parameters=True
        )
        torch.distributed.barrier()

    def load(self, folder: Path) -> None:
        """Load what `save` wrote; all ranks call it."""
        loaded, _ = self._engine.load_checkpoint(
            str(folder.parent), tag=folder.name, load_module_strict=False
        )
        if loaded is None:
            raise StoreError(f"expected a DeepSpeed checkpoint in {folder}, found none: remove it")

    @contextlib.contextmanager
    def gathered_parameters(self) -> Iterator[None]:
        """Hold every parameter complete on every rank inside the block, also under ZeRO-3."""
        import deepspeed

        partitioned = list(self.module.parameters()) if self.zero_stage == 3 else []
        with deepspeed.zero.GatheredParameters(partitioned, enabled=bool(partitioned)):
            yield

    def close(self) -> None:
        """Let DeepSpeed drop its hooks and buffers."""
        self._engine.destroy()


def release_memory() -> None:
    """Free what closed engines and their modules held, also on the device.

    They are in reference cycles; under ZeRO-3 a stack and caches of DeepSpeed hold every module.
    """
    from deepspeed.accelerator import get_accelerator
    from deepspeed.runtime.zero.parameter_offload import FWD_MODULE_STACK

    FWD_MODULE_STACK.clear()
    caches = [x for x in gc.get_objects() if type(x) is functools._lru_cache_wrapper]
    for cache in caches:
        if cache.__module__.startswith("deepspeed.runtime.zero."):
            cache.cache_clear()
    gc.collect()
    get_accelerator().empty_cache()  # pyright: ignore[reportOptionalMemberAccess]


def seed_everything(*parts: Any) -> None:
    """Seed torch from `parts`, so that what a step draws needs no saved state."""
    from storm.training.data_order import generator

    torch.manual_seed(int(generator("torch", *parts).integers(2**62)))

"""One rank of a training: `python -m storm.training.rank SPEC.json`, started by `launch.py`."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from pydantic import ValidationError

from storm.artifacts.fs import read_json
from storm.errors import ConfigError, StageFailed, StormError
from storm.process.environment import set_environment
from storm.process.owner import watch_owner
from storm.training.metrics import Emit, take_stdout
from storm.training.spec import TrainingSpec


def main(arguments: list[str]) -> int:
    """Train the spec in `arguments`; return the exit code."""
    emit = take_stdout()
    try:
        spec = read_spec(Path(arguments[0]))
        _prepare_process(spec.runtime.device)
        train(spec, emit)
    except StormError as error:
        emit({"error": str(error)})
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def read_spec(path: Path) -> TrainingSpec:
    """Return the spec in a file. Raises ConfigError if it is none."""
    try:
        return TrainingSpec.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigError(f"expected a training spec in {path}, found: {error}") from None


def train(spec: TrainingSpec, emit: Emit) -> None:
    """Train all phases in this process, as one rank of the group in the environment.

    Raises:
        StageFailed: If memory runs out.
    """
    import torch

    from storm.training.engine import start_distributed
    from storm.training.trainer import Trainer

    runtime = spec.runtime
    torch.set_num_threads(runtime.threads)
    rank, ranks = start_distributed(runtime.device, runtime.stall_seconds)
    try:
        if not spec.output_dir.exists():
            Trainer(spec, emit, rank, ranks).run()
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise StageFailed(
            f"expected the training to fit into memory, found {error!r} on rank {rank} of {ranks}: "
            f"lower runtime.micro_batch (now {runtime.micro_batch or 'all rows of a step'}), set "
            "runtime.gradient_checkpointing, or raise runtime.zero_stage (now "
            f"{runtime.zero_stage}) or runtime.ranks"
        ) from error
    if rank == 0:
        summary = read_json(spec.work_dir / "summary.json")
        emit({"event": "done", "out": str(spec.output_dir), **summary})
    # not after an error: it would wait for ranks that wait for this one
    torch.distributed.destroy_process_group()


def _prepare_process(device: str) -> None:
    """Set what torch and DeepSpeed read when they load; exit when the owner or launcher dies."""
    os.environ.setdefault("DS_ACCELERATOR", device)
    set_environment()
    watch_owner()
    launcher = os.getppid()

    def watch_launcher() -> None:
        while os.getppid() == launcher:
            time.sleep(1)
        os._exit(75)

    threading.Thread(target=watch_launcher, daemon=True, name="launcher-watch").start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Environment variables of STORM's own processes and of the children they start."""

from __future__ import annotations

import os

_SETTINGS = {
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}


def set_environment() -> None:
    """Set library options at a process's entry point, before those libraries load.

    Options the user has set stay as they are.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)


def child_environment(threads: int) -> dict[str, str]:
    """Return the environment of a child that uses `threads` CPU threads and dies with us."""
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "STORM_OWNER_PID": str(os.getpid()),
        "PYTHONUNBUFFERED": "1",
    }


def one_gpu(gpus: int, slot: int) -> dict[str, str]:
    """Return the environment that gives a child one of the node's GPUs, round robin by slot.

    Args:
        gpus: How many GPUs of the node to use; with 0 nothing is set.
        slot: The number of the worker slot that the child runs in.

    Returns:
        `CUDA_VISIBLE_DEVICES`, chosen among those already visible.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [str(n) for n in range(gpus)] if visible is None else visible.split(",")[:gpus]
    return {"CUDA_VISIBLE_DEVICES": names[slot % len(names)]} if names else {}

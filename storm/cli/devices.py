"""Devices that commands take."""

from __future__ import annotations

from storm.config import DEVICES
from storm.errors import ConfigError


def require_device(device: str) -> None:
    """Raise ConfigError unless `device` is a kind STORM knows and this machine has."""
    import torch

    if device not in DEVICES:
        raise ConfigError(f"expected --device {', '.join(DEVICES)}, found {device!r}")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch built without it
        line = str(error).partition("\n")[0]
        raise ConfigError(f"expected a device of this machine, found {device!r}: {line}") from None

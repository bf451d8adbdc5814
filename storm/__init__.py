"""STORM: teach a video-language model to think in K latent states.

    from storm import Store, Student, load_profile

Importing the package loads nothing else and changes nothing in the process.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storm.artifacts.store import Store
    from storm.profiles import load as load_profile
    from storm.student import Student

__all__ = ["Store", "Student", "load_profile"]

_HOMES = {
    "Store": ("storm.artifacts.store", "Store"),
    "Student": ("storm.student", "Student"),
    "load_profile": ("storm.profiles", "load"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = globals()[name] = getattr(importlib.import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    """Return the public names, imported yet or not."""
    return sorted({*globals(), *__all__})

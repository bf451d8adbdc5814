"""Let large libraries load at their first use: half of the time of `storm status` would be theirs.

Python's own `importlib.util.LazyLoader` takes the `import` statement itself for a use.
"""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any


def load_lazily(*names: str) -> None:
    """Let modules load when an attribute is first read; those that are loaded stay as they are.

    For commands of one thread: nothing guards a first use by two.
    """
    for name in names:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None:  # else the import says what is missing
            sys.modules[name] = importlib.util.module_from_spec(spec)
            sys.modules[name].__class__ = LazyModule


class LazyModule(ModuleType):
    """A module that is executed when an attribute is first read."""

    def __getattribute__(self, name: str) -> Any:
        """Execute the module, then read the attribute; `import` reads only `__spec__`."""
        spec = object.__getattribute__(self, "__spec__")
        if name == "__spec__":
            return spec
        self.__class__ = ModuleType  # pyright: ignore[reportAttributeAccessIssue]
        spec.loader.exec_module(self)
        return getattr(self, name)

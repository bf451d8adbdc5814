"""What a process has loaded, kept for its next call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")

_kept: tuple[Any, Any] | None = None  # what was asked for, and the result


def load_warm(load: Callable[..., T], *args: Any) -> T:
    """Return `load(*args)`, or the same object again if the last such request was equal.

    One object is kept at a time; it is freed before the next one is loaded. Callers share the
    object and must leave it as it is.

    Args:
        load: A function; not a bound method, which equals only that of the same object.
        args: Its arguments, compared by `==`.
    """
    global _kept
    request = (load, args)
    if _kept is None or _kept[0] != request:
        _kept = None
        _kept = (request, load(*args))
    return cast(T, _kept[1])


def release_warm() -> None:
    """Free what is kept, for a call that needs the memory."""
    global _kept
    _kept = None

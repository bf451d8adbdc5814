"""Values of rows: digests, short reprs, finiteness."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np


def digest_of(row: Any) -> str:
    """Return the sha256 of a row's content, the same in every process."""
    digest = hashlib.sha256(type(row).__name__.encode())
    for field in dataclasses.fields(row):
        value = getattr(row, field.name)
        digest.update(f"\0{field.name}\0".encode())
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).data)
        else:
            digest.update(repr(value).encode())
    return digest.hexdigest()


def brief_repr(self: Any) -> str:
    """Return the repr of a row with the sizes of arrays and images, not their contents."""
    fields = dataclasses.fields(self)
    values = ", ".join(f"{f.name}={_brief(getattr(self, f.name))}" for f in fields)
    return f"{type(self).__name__}({values})"


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} {value.shape}>"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, tuple):
        return f"({', '.join(map(_brief, value))})"
    return repr(value)


def is_finite(array: np.ndarray) -> bool:
    """Return whether no element is NaN or infinite; uint16 are the bits of bfloat16."""
    if array.dtype == np.uint16:  # bits of bfloat16: NaN and infinity have all exponent bits set
        return bool((array & 0x7F80 != 0x7F80).all())
    return bool(np.isfinite(array).all())

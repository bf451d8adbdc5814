"""Values of an entry's fields, checked."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from storm.errors import DataError


class BadEntry(DataError):
    """An entry that is no question. `reason` is a slug."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


class EmbeddedVideo:
    """Stands for a video whose bytes are inside the data set; they are never read."""


def is_number(value: Any) -> bool:
    """Whether a value is a number that has a text: no truth value, no NaN."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def text_value(value: Any, reason: str, what: str) -> str:
    """Return a text or a number as text, stripped; raise BadEntry for anything else."""
    if is_number(value):
        value = str(value)
    if isinstance(value, EmbeddedVideo):
        raise BadEntry(
            "embedded_video",
            "expected a path, found the video's bytes: write them to files under the root and name "
            "those",
        )
    if not isinstance(value, str) or not value.strip():
        raise BadEntry(reason, f"expected {what}, found {value!r:.200}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadEntry(reason, f"expected Unicode text, found {value!r:.200}") from None
    if not comparable(value):
        raise BadEntry(reason, f"expected {what} that can be seen, found {value!r:.200}")
    return value.strip()


def comparable(text: str) -> str:
    """Return what two writings of one text share: case, spaces and compatible forms don't count."""
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc") or c.isspace())
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())

"""What a server's response means: an answer, another try, or the end of it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from storm.errors import StageFailed
from storm.llm_client.config import NoReply, Reply

_SHOWN = 300  # characters of a response that an error repeats


class TryAgain(Exception):
    """A failure that may pass. `limited`: the server is well and asks for patience."""

    def __init__(self, reason: str, detail: str, retry_after: float | None = None):
        super().__init__(reason)
        self.reason, self.detail, self.retry_after = reason, detail, retry_after
        self.limited = reason == "http_429" or retry_after is not None


def reply_of(text: str) -> Reply:
    """The answer in a response's JSON. Raises TryAgain if it isn't one."""
    try:
        data = json.loads(text)
        choice = data["choices"][0]
        message = choice["message"]
        refusal, content = message.get("refusal"), message.get("content")
        said = refusal or content or ""
        finish = "refusal" if refusal else str(choice.get("finish_reason") or "stop")
        if not isinstance(said, str):
            raise TypeError(f"expected a text as content, found {type(said).__name__}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        what = "an empty body" if not text.strip() else f"{short(text)!r} ({type(e).__name__})"
        raise TryAgain("not_json", f"expected a chat completion, found {what}") from None
    used = data.get("usage")
    said = said.encode(errors="replace").decode()  # half a surrogate pair can't be stored
    return Reply(said, finish, _count(used, "prompt_tokens"), _count(used, "completion_tokens"))


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def trouble_of(
    status: int, headers: Mapping[str, str], text: str, where: str, key_variable: str
) -> Exception:
    """What to raise for a response that is no answer."""
    said = f"{status} {short(text)!r}"
    passes = status in (408, 409, 425) or status >= 500
    if passes or (status == 429 and "insufficient_quota" not in text):
        wait = retry_after_seconds(headers)
        return TryAgain(f"http_{status}", f"the server answers {said}", wait)
    remedy = {
        401: f"put a valid key into ${key_variable}",
        402: "pay, or use another account",
        403: f"use a key in ${key_variable} that may use this model",
        404: "correct base_url (most end with /v1) or the model's name",
        405: "correct base_url (most end with /v1)",
        429: "pay, or use another account",
    }.get(status, "correct base_url: redirects are not followed" if status < 400 else None)
    if remedy:
        return StageFailed(f"{where}: expected an answer, found {said}: {remedy}")
    return NoReply(f"http_{status}", f"the server refuses this request: {said}")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """`Retry-After`, in seconds or as a date; None if there is none that makes sense.

    A date is read against the server's own clock if it tells it (`Date`).
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            now = _date(headers["date"]) if "date" in headers else datetime.now(UTC)
            seconds = (_date(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _date(value: str) -> datetime:
    date = parsedate_to_datetime(value)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def short(text: str) -> str:
    """A line of it, for a person."""
    return " ".join(text[: 2 * _SHOWN].split())[:_SHOWN]

"""Parsing of responses: a completion as a Reply, an HTTP status as an error."""

from __future__ import annotations

import json
from typing import Any

from storm.errors import StageFailed
from storm.llm_client.config import NoReply, Reply

_EXCERPT = 300  # characters of a response that an error repeats


def parse_completion(text: str) -> Reply:
    """Return the reply in a chat completion's JSON.

    Raises:
        ValueError: If the text is no chat completion.
    """
    try:
        data = json.loads(text)
        choice = data["choices"][0]
        message = choice["message"]
        refusal = message.get("refusal")
        content = refusal or message.get("content") or ""
        if not isinstance(content, str):
            raise TypeError(f"expected a text as content, found {type(content).__name__}")
        finish = "refusal" if refusal else str(choice.get("finish_reason") or "stop")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as e:
        body = f"{excerpt(text)!r} ({type(e).__name__})" if text.strip() else "an empty body"
        raise ValueError(f"expected a chat completion, found {body}") from None
    usage = data.get("usage")
    content = content.encode(errors="replace").decode()  # half a surrogate pair can't be stored
    return Reply(
        content, finish, _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    )


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value >= 0 else 0


def error_for_status(
    status: int, text: str, *, server: str, key_variable: str, tries: int
) -> NoReply | StageFailed:
    """Return the error for a status that is still there when no more tries are left.

    What only concerns one request is a NoReply; what would stop every request is a StageFailed.

    Args:
        status: HTTP status, any but 2xx.
        text: The response's body.
        server: Model and address, for the message.
        key_variable: The environment variable that holds the API key.
        tries: How often a request is sent at most.
    """
    found = f"{status} {excerpt(text)!r}"
    remedies = {
        401: f"put a valid key into ${key_variable}",
        402: "pay, or use another account",
        403: f"use a key in ${key_variable} that may use this model",
        404: "correct base_url (most end with /v1) or the model's name",
        405: "correct base_url (most end with /v1)",
        429: f"rate limit, {tries} tries: lower concurrency, or run again later",
    }
    remedy = remedies.get(status)
    if is_out_of_quota(status, text):
        remedy = "pay, or use another account"
    elif status < 400:
        remedy = "correct base_url: redirects are not followed"
    if remedy:
        return StageFailed(f"{server}: expected an answer, found {found}: {remedy}")
    if is_retried(status):
        return NoReply(f"http_{status}", f"the server answers {found}; {tries} tries")
    return NoReply(f"http_{status}", f"the server refuses this request: {found}")


def is_retried(status: int) -> bool:
    """Whether the SDK sends a request again after this status."""
    return status in (408, 409, 429) or status >= 500


def is_out_of_quota(status: int, text: str) -> bool:
    """Whether a 429 says that the account is empty, which no waiting changes."""
    return status == 429 and "insufficient_quota" in text


def excerpt(text: str) -> str:
    """Return the beginning of a text as one line."""
    return " ".join(text[: 2 * _EXCERPT].split())[:_EXCERPT]

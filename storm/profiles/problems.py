"""Describe what is wrong with a configuration in one line."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError


def problems(raw: Any, error: ValidationError) -> str:
    """Return every problem that pydantic names, in one line; unknown keys come first.

    A misspelled key is also missing, so that other problems follow from it.

    Args:
        raw: The value that was validated, as written by the user.
        error: What pydantic raised for it.
    """
    ordered = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    return "; ".join(_problem(raw, problem) for problem in ordered)


def _problem(raw: Any, problem: Any) -> str:
    """Return the key as it was written, and what is wrong with its value."""
    value, parts = raw, []
    for part in problem["loc"]:  # this also holds the tags of unions, which are no keys
        if (isinstance(value, dict) and part in value) or isinstance(part, int):
            value = value[part]
            parts.append(str(part))
    if problem["type"] == "missing":
        parts.append(str(problem["loc"][-1]))
    key = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key"
    if problem["type"] in ("missing", "component") or isinstance(value, dict | list):
        return f"{key}: {problem['msg']}" if key else problem["msg"]
    return f"{key}: {problem['msg']}, found {value!r}"


def one_line(error: Exception) -> str:
    """Return an error's text without line breaks."""
    return " ".join(str(error).split())

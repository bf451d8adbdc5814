"""Chains of thought in text: how they are requested, and where their answer is."""

from __future__ import annotations

import re

REASONING_PROMPT = (
    "Reason about the video step by step before you answer. Write the reasoning between <think> "
    "and </think>, then only the final answer between <answer> and </answer>."
)


def final_answer(response: str) -> tuple[int, str]:
    """Return where the answer of a chain of thought begins, and its text.

    It is the content of the last `<answer>`, up to `</answer>` or the end; without one, the last
    line that is not empty.
    """
    opening = response.rfind("<answer>")
    if opening >= 0:
        start = opening + len("<answer>")
        inner = response[start:].partition("</answer>")[0]
    else:
        last_line = re.search(r"[^\n]*\S[^\n]*\s*\Z", response)
        start = last_line.start() if last_line else 0
        inner = response[start:]
    return start + len(inner) - len(inner.lstrip()), inner.strip()


def after_reasoning(reasoning: str, answer: str) -> str:
    """Return what a student is trained to write: the reasoning, if any, then the answer's line."""
    return f"{reasoning}\n{answer}" if reasoning else answer

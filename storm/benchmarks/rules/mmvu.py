"""lmms-eval's rules for MMVU, reproduced for comparability. They are lenient.

An empty response is right on every open-ended question, and one that lists all letters is right
on every multiple-choice question.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

_SUPERSCRIPTS = str.maketrans({mark: f"^{n}" for n, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_NUMBER = re.compile(r"\d+\.?\d*")
_ORDER = re.compile(r"O\s*\([^)]+\)", re.IGNORECASE)


def is_right_for_lmms_eval(doc: Mapping[str, Any], choice: bool, response: str) -> bool:
    """Return whether any of its rules accepts the response."""
    gold = str(doc["answer"]).strip()
    if choice:
        return _choice(gold, doc["choices"].get(gold), response.strip())
    return _open(_plain(gold), _plain(response))


def _choice(letter: str, text: str | None, response: str) -> bool:
    """Accept a stand-alone letter anywhere, the option's text, or the letter and one word."""
    if re.search(rf"\b{re.escape(letter)}\b", response, re.IGNORECASE):
        return True
    if text is None:
        return False
    text, lowered = text.strip().lower(), response.lower()
    if text in lowered:
        return True
    words = (word.strip(string.punctuation) for word in text.split())
    return letter.upper() in response.upper() and any(len(w) > 2 and w in lowered for w in words)


def _plain(text: str) -> str:
    return text.strip().lower().translate(_SUPERSCRIPTS)


def _open(gold: str, response: str) -> bool:
    """Accept if one contains the other, or their first numbers, words or O(...) agree."""
    joined_gold, joined_response = " ".join(gold.split()), " ".join(response.split())
    if joined_gold in joined_response or joined_response in joined_gold:
        return True
    number, other = _NUMBER.search(gold), _NUMBER.search(response)
    if number and other and abs(float(number.group()) - float(other.group())) < 0.01:
        return True
    gold_words, response_words = _words(joined_gold), _words(joined_response)
    if 2 <= len(gold_words) <= 5 and all(w in response_words for w in gold_words if len(w) > 2):
        return True
    order, other = _ORDER.search(joined_gold), _ORDER.search(joined_response)
    return bool(order and other and order.group() == other.group())


def _words(text: str) -> list[str]:
    words = (word.strip(string.punctuation) for word in text.split())
    return [word for word in words if word]

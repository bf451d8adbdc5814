"""lmms-eval's rules for MMVU, as they are: kept to compare with published numbers, not to trust.

An empty string is right on every open-ended question, and one that lists all letters on every
multiple-choice question.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Any

_SUPERSCRIPTS = str.maketrans({mark: f"^{n}" for n, mark in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
_NUMBER = re.compile(r"\d+\.?\d*")
_ORDER = re.compile(r"O\s*\([^)]+\)", re.IGNORECASE)


def lmms_eval_says_right(doc: Mapping[str, Any], choice: bool, response: str) -> bool:
    """Whether any of its rules is content with the response."""
    gold = str(doc["answer"]).strip()
    if choice:
        return _choice(gold, doc["choices"].get(gold), response.strip())
    return _open(_plain(gold), _plain(response))


def _choice(letter: str, text: str | None, response: str) -> bool:
    """The letter stands alone somewhere, the option's text is said, or the letter and a word."""
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


def _open(gold: str, said: str) -> bool:
    """One holds the other, the first numbers agree, a short answer's words are said, or O(…)."""
    joined_gold, joined_said = " ".join(gold.split()), " ".join(said.split())
    if joined_gold in joined_said or joined_said in joined_gold:
        return True
    number, other = _NUMBER.search(gold), _NUMBER.search(said)
    if number and other and abs(float(number.group()) - float(other.group())) < 0.01:
        return True
    gold_words, said_words = _words(joined_gold), _words(joined_said)
    if 2 <= len(gold_words) <= 5 and all(w in said_words for w in gold_words if len(w) > 2):
        return True
    order, other = _ORDER.search(joined_gold), _ORDER.search(joined_said)
    return bool(order and other and order.group() == other.group())


def _words(text: str) -> list[str]:
    words = (word.strip(string.punctuation) for word in text.split())
    return [word for word in words if word]

"""The letter that a text chooses among lettered options: one rule for all that read answers."""

from __future__ import annotations

import re

from storm.config import LETTERS

_LATIN = "A-Za-z\u00c0-\u024f"


def find_letter(response: str, options: int) -> re.Match[str] | None:
    """Return the first stand-alone letter of the options, in parentheses or not."""
    return re.search(rf"(?<![{_LATIN}])([{LETTERS[:options]}])(?![{_LATIN}])", response)


def extract_letter(response: str, options: int) -> str:
    """As `find_letter`, as text; '' if there is none."""
    found = find_letter(response, options)
    return found.group(1) if found else ""


def judge(response: str, options: int, answer: str) -> tuple[str, bool]:
    """Return what a response chooses, and whether that is the answer.

    Among options it is a letter, '' if there is none; else the text, whose case doesn't matter.
    """
    chosen = extract_letter(response, options) if options else response.strip()
    return chosen, chosen.lower() == answer.strip().lower()

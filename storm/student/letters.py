"""The letter that a text chooses among lettered options: one rule for all that read answers."""

from __future__ import annotations

import re

from storm.records import LETTERS

_LATIN = "A-Za-z\u00c0-\u024f"


def find_letter(response: str, options: int) -> re.Match[str] | None:
    """The first stand-alone letter of the options, in parentheses or not."""
    return re.search(rf"(?<![{_LATIN}])([{LETTERS[:options]}])(?![{_LATIN}])", response)


def extract_letter(response: str, options: int) -> str:
    """As `find_letter`, as text; '' if there is none."""
    found = find_letter(response, options)
    return found.group(1) if found else ""

"""How a letter is found in a free response: the rules of the harnesses, one function each."""

from __future__ import annotations

import re
from collections.abc import Sequence

# After one of these, any letter may be the answer. "option is" alone is none of them.
_PHRASES = (
    *(f"{the}answer is" for the in ("", "the ", "my ")),
    *(
        f"{the}{which} {what} is"
        for the in ("", "the ")
        for which, what in (
            ("correct", "answer"),
            ("best", "answer"),
            ("correct", "option"),
            ("best", "option"),
            ("correct", "choice"),
        )
    ),
    *(f"{the}choice is" for the in ("", "the ", "my ")),
    *(f"i {verb}" for verb in ("choose", "select", "pick")),
    *("옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)
_MARKS = (("({})", 6), ("{}.", 5), ("{}:", 4), ("{})", 3), ("{} ", 2))


def priority_letter(response: str, letters: Sequence[str]) -> str:
    """lmms-eval's shared rule: the letter in the most telling form; among equals, the last one.

    start 10, end 9, after an answer phrase 7, `(X)` 6, `X.` 5, `X:` 4, `X)` 3, `X ` 2; only where
    none of these is found, any X. Upper case only. '' if there is none. Each punctuation mark is
    taken from the ends once and in turn, as there, so `".A"` keeps its dot and `"A".` does not.
    """
    bare = response.strip()
    for mark in ",.!?;:'\"":
        bare = bare.strip(mark)
    text = f" {bare} "
    bare = text.strip()
    found: list[tuple[int, int, str]] = []  # priority, position, letter
    for letter in letters:
        if letter not in text:
            continue
        for form, priority in _MARKS:
            position = text.rfind(form.format(letter))
            if position >= 0:
                found.append((priority, position, letter))
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((10, 0, letter))
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            found.append((9, len(text), letter))
    if len(bare) > 2:
        found += _after_phrases(text, letters)
    if not found:
        found = [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(found, key=lambda one: one[:2])[2] if found else ""


def _after_phrases(text: str, letters: Sequence[str]) -> list[tuple[int, int, str]]:
    """Each letter's first place after each phrase's first place."""
    lowered = text.lower()
    found = []
    for phrase in _PHRASES:
        position = lowered.find(phrase)
        if position < 0:
            continue
        for letter in letters:
            after = text.find(letter, position + len(phrase))
            if after >= 0:
                found.append((7, after, letter))
    return found


def first_capital(response: str, letters: str, prefixes: Sequence[str]) -> str:
    """The first of the capital letters once every prefix has been cut out; '' if there is none."""
    for prefix in prefixes:
        response = response.replace(prefix, "")
    found = re.search(f"[{letters}]", response)
    return found.group() if found else ""


# Known prefixes of VideoMME's own script. Two more stand there fused with their neighbours by a
# missing comma, so that they never match; they are left out.
OFFICIAL_PREFIXES = (
    "The best answer is",
    "The correct answer is",
    "The answer is",
    "The answer",
)
VLMEVALKIT_PREFIXES = (*OFFICIAL_PREFIXES, "Answer:", "Option:")


_LEADING = re.compile(r"^([A-E])\.\s*(.+)$", re.IGNORECASE)
_ALONE = re.compile(r"\b([A-E])\b", re.IGNORECASE)
_DIGIT_COMMA = re.compile(r"\d,\d")
_PERIOD = re.compile(r"\.(?!\d)")
_PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'


def vqa_letter(response: str) -> str:
    """lmms-eval's MVBench rule, upper case: `X. text`, else the first stand-alone letter A to E.

    Before the second, the text goes through the punctuation rules of the VQA benchmark: a mark is
    cut where it touches a space anywhere (or digits are parted by a comma), else it becomes a
    space; then dots that no digit follows are cut, the first 32 of them as there. '' if there is
    none. An article "a" counts as the letter.
    """
    leading = _LEADING.match(response.strip())
    if leading:
        return leading.group(1).upper()
    text = response.replace("\n", " ").replace("\t", " ").strip()
    cut_all = _DIGIT_COMMA.search(text) is not None
    table = {}
    for mark in _PUNCTUATION:
        if mark in text:
            cut = cut_all or f"{mark} " in text or f" {mark}" in text
            table[ord(mark)] = None if cut else " "
    text = _PERIOD.sub("", text.translate(table), count=32)
    found = _ALONE.search(text.lower())  # lower case can part a letter from its accent
    return found.group(1).upper() if found else ""

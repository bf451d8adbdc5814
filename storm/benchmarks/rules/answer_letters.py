"""Extract the letter of an option from a free response, by the rules of several harnesses."""

from __future__ import annotations

import re
from collections.abc import Sequence

# After one of these phrases, any letter may be the answer. A bare "option is" is not among them.
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
    """Return the letter in the form of highest priority; among equals, the last one.

    lmms-eval's shared rule. Priorities: at the start 10, at the end 9, after an answer phrase 7,
    `(X)` 6, `X.` 5, `X:` 4, `X)` 3, `X ` 2; only if there are none of these, any X. Upper case
    only; '' if there is none. Each punctuation mark is stripped from both ends once and in turn,
    as lmms-eval does, so `".A"` keeps its dot and `"A".` does not.
    """
    bare = response.strip()
    for mark in ",.!?;:'\"":
        bare = bare.strip(mark)
    text = f" {bare} "
    bare = text.strip()
    candidates: list[tuple[int, int, str]] = []  # priority, position, letter
    for letter in letters:
        if letter not in text:
            continue
        for form, priority in _MARKS:
            position = text.rfind(form.format(letter))
            if position >= 0:
                candidates.append((priority, position, letter))
        if bare.startswith(letter) and not bare[1:2].isalpha():
            candidates.append((10, 0, letter))
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            candidates.append((9, len(text), letter))
    if len(bare) > 2:
        candidates += _after_phrases(text, letters)
    if not candidates:
        candidates = [(0, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(candidates, key=lambda c: c[:2])[2] if candidates else ""


def _after_phrases(text: str, letters: Sequence[str]) -> list[tuple[int, int, str]]:
    """Return each letter's first position after each phrase's first position."""
    lowered = text.lower()
    candidates: list[tuple[int, int, str]] = []
    for phrase in _PHRASES:
        position = lowered.find(phrase)
        if position < 0:
            continue
        for letter in letters:
            after = text.find(letter, position + len(phrase))
            if after >= 0:
                candidates.append((7, after, letter))
    return candidates


def first_capital(response: str, letters: str, prefixes: Sequence[str]) -> str:
    """Return the first of the letters after cutting every prefix; '' if there is none."""
    for prefix in prefixes:
        response = response.replace(prefix, "")
    match = re.search(f"[{letters}]", response)
    return match.group() if match else ""


# The prefixes of VideoMME's own script. It has two more, fused with their neighbors by a missing
# comma so that they never match; they are left out.
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
    """Return the letter of `X. text`, else the first stand-alone letter A to E, in upper case.

    lmms-eval's rule for MVBench. Before looking for a stand-alone letter, it applies the VQA
    benchmark's punctuation rules: a mark is removed if it touches a space anywhere (or the text
    has digits around a comma), else it becomes a space; then the first 32 dots without a digit
    after them are removed. '' if there is none. The article "a" counts as a letter.
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
    match = _ALONE.search(text.lower())  # lower case can split a letter from its accent
    return match.group(1).upper() if match else ""

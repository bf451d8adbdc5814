"""The option that a text chooses among lettered ones: one rule for all that read answers.

First every letter that stands alone is marked; articles, names and letters that are said to be
wrong lose their mark. Then the first of these that finds one letter decides:

1. the last statement: a box, an `<answer>` tag, "the answer is B", "I choose B", "B is correct";
2. the letter that the text begins with: "B", "(b) left", "B: left";
3. the last conclusion: "so B", "it must be B";
4. the only letter in brackets, quotes or after "option";
5. the only capital.

Where two letters are named together ("A and B"), there is none. `letter_phrases` has the words.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import NamedTuple

from storm.config import LETTERS
from storm.student import letter_phrases as phrases


class Choice(NamedTuple):
    """A letter, and where in the text it is or its option's text begins."""

    letter: str
    place: int


# A marked letter is one character of Unicode's private area, small or capital as it was.
_MARK = 0xE000
_ANY = "[\ue041-\ue05a\ue061-\ue07a]"
_WORDS = "".join(chr(_MARK + ord(letter)) for letter in phrases.WORDS)
_WORDS_CAPITAL = "\ue041\ue045\ue04f\ue055\ue059"  # without I, which is a word before anything
_CAPITAL = "[\ue041-\ue048\ue04a-\ue05a]"  # without I
_SMALL = f"[\ue061-\ue07a](?<![{_WORDS}])"
_IN_WORD = r"0-9A-Za-zÀ-ÖØ-öø-ʯ\u0300-\u052f\u1e00-\u1fff"  # not CJK: 选B
_LONE = rf"(?<![{_IN_WORD}])[A-Za-z](?![{_IN_WORD}])"
_ALONE = re.compile(
    rf"(?<![{_IN_WORD}°])(?<![{_IN_WORD}]['’-])(?<!{_LONE}\.)"
    rf"[A-Za-z](?![{_IN_WORD}]|[+#](?!{_LONE})|['’-][{_IN_WORD}]|\.{_LONE})"
)
_ABBREVIATION = re.compile(rf"(?<![{_IN_WORD}])[a-z]\. [A-Za-z]\.")  # German "z. B."
_STYLED = re.compile(
    r"(?:PARENTHESIZED|(?:NEGATIVE )?(?:CIRCLED|SQUARED)) LATIN (CAPITAL|SMALL) LETTER (.)$"
    r"|MATHEMATICAL .*(CAPITAL|SMALL) ([A-Z])$"
)


def _one_of(words: Iterable[str]) -> str:
    """Return a pattern of any of the words; of an alphabet with spaces, as whole words."""
    ends: dict[tuple[str, str], list[str]] = {}
    for word in sorted(words, key=len, reverse=True):
        before = rf"(?<![{_IN_WORD}])" if re.match(f"[{_IN_WORD}]", word) else ""
        after = rf"(?![{_IN_WORD}])" if re.search(f"[{_IN_WORD}]$", word) else ""
        ends.setdefault((before, after), []).append(re.escape(word).replace(r"\ ", r"\s+"))
    found = [f"{before}(?:{'|'.join(group)}){after}" for (before, after), group in ends.items()]
    return f"(?:{'|'.join(found)})"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


# What may stand between a phrase and its letter; possessive (*+), so that none takes long.
_OPEN = (
    r"(?:[\s:：*_`\"'“‘«»「」『』【〔《\[({<>$,，.#-]|\\(?:text\w*|math\w*|boxed|fbox|[(\[])|\\)"
)
_CLOSE = r"[\s*_`\"'”’»」』】〕》\])}>$]"
_OPTION, _ADVERB = _one_of(phrases.OPTION), _one_of(phrases.ADVERB)
_FILL = rf"(?:{_OPEN}|{_OPTION}|{_ADVERB})*+"
_NEAR = rf"(?:[\s*_`\"'“‘(\[:]|{_OPTION})*+"  # no comma: "not sure, B"
_JOINED = rf"{_CLOSE}*+(?:,\s*+)?{_one_of(phrases.JOINED)}{_NEAR}"
_COMMA = rf"{_CLOSE}*+[,、،]\s*+{_NEAR}"
_AFTER = rf"{_CLOSE}*+(?:{_one_of(phrases.OPTION_AFTER)}\s*+)?(?:{_ADVERB}\s*+)?(?:→\s*+)?"
_GAP = r"[^.!?。！？\n\ue041-\ue07a]{0,50}?"

_AFTER_A_LETTER = _one_of((*phrases.NOT_AFTER_ARTICLE, *phrases.JOINED))

_NO_LETTER = _pattern(
    rf"{_OPTION}[\s*\"'“(\[]*+{_ANY}(?P<is_one>)"
    rf"|{_one_of(phrases.NAMES)}[\s-]?{_ANY}"
    rf"|[{_WORDS}{_WORDS_CAPITAL}][ \t]+(?!{_AFTER_A_LETTER})[0-9A-Za-zÀ-ʯ]"
    rf"|[{_WORDS}][ \t]+(?={_ANY})|\ue049(?:[ \t]+[A-Za-z]|['’])"
)
_REFUSED = _pattern(
    rf"{_one_of(phrases.REFUSED_BEFORE)}{_NEAR}{_ANY}(?:{_JOINED}{_ANY}){{0,4}}"
    rf"|{_ANY}(?:(?:{_COMMA}{_ANY}){{0,4}}{_JOINED}{_ANY}){{0,4}}{_AFTER}{_one_of(phrases.REFUSED_AFTER)}"
)
_STATED = _pattern(
    rf"{_one_of(phrases.ANSWER)}[*_`\"'”’)\]]*+"
    rf"(?:{_GAP}(?:{_one_of(phrases.LINK)}|[:=—–-])|\s*\n){_FILL}({_ANY})"
    rf"|{_one_of(phrases.CHOICE)}{_FILL}({_ANY})"
    rf"|({_ANY}){_AFTER}{_one_of(phrases.RIGHT)}"
)
_LEADING = _pattern(rf"{_FILL}({_ANY})")
_CONCLUDED = _pattern(rf"{_one_of(phrases.CONCLUSION)}{_FILL}({_CAPITAL}|{_SMALL})")
_ENCLOSED = _pattern(
    rf"[*_`\"'“‘«「『【〔《\[({{<$]\s*+({_ANY})\s*{_CLOSE}"
    rf"|{_OPTION}{_OPEN}*+({_ANY})|({_ANY})\s*{_one_of(phrases.OPTION_AFTER)}"
)
_NAKED = re.compile(rf"({_CAPITAL})|({_SMALL})\W*$")
_AFTER_ANOTHER = _pattern(rf"{_ANY}{_JOINED}$")
_BEFORE_ANOTHER = _pattern(
    rf"(?:{_JOINED}|[)\]】]\s*[(\[【]){_ANY}"
    rf"|{_CLOSE}*+(?:[,;|，،؛]|(?<=\s)){_NEAR}{_ANY}"
    rf"(?={_CLOSE}*(?:[.,;!?。、，]|$|\n|{_JOINED}{_ANY})|\s+{_ANY})"
)
_SECOND = re.compile("[\ue042\ue062][.):]")
_HOLDER = _pattern(r"<answer>|\\(?:boxed|fbox)\s*\{")
_THOUGHTS = "</think>"
_ABOUT_OTHERS = _pattern(_one_of(phrases.ABOUT_OTHERS) + rf"|{_OPTION}s?\s*#?\d|\d{_JOINED}\d")
_LETTERS_ONLY = re.compile("[A-F]{2,}")
_ABOUT_ALL = _pattern(_one_of(phrases.ABOUT_ALL))


def _plain(text: str) -> str:
    """Return the text, as long as before, with full-width and styled characters as ASCII."""
    return text if text.isascii() else "".join(map(_plain_character, text))


@functools.lru_cache(10_000)
def _plain_character(character: str) -> str:
    if "！" <= character <= "～":  # full-width
        return chr(ord(character) - 0xFEE0)
    kind = unicodedata.category(character)
    if kind in ("Cf", "Zs"):  # marks of direction, odd spaces
        return " "
    styled = _STYLED.match(unicodedata.name(character, ""))
    if styled is None:
        return "\ufffd" if kind == "Co" else character
    size, letter = filter(None, styled.groups())
    return letter if size == "CAPITAL" else letter.lower()


def _marked(text: str, count: int, refused: bool = False) -> str:
    """Return the text with a mark in place of each letter that may be chosen.

    Letters that are said to be wrong are among them only if `refused`.
    """

    def mark(match: re.Match[str]) -> str:
        letter = match.group()
        if letter.islower() and letter.upper() not in LETTERS[:count]:
            return letter
        return chr(_MARK + ord(letter))

    def unmark(match: re.Match[str]) -> str:
        if match.re is _NO_LETTER and match["is_one"] is not None:
            return match.group()
        return re.sub(_ANY, lambda found: chr(ord(found.group()) - _MARK), match.group())

    text = _ABBREVIATION.sub(lambda match: "\ufffd" * len(match.group()), text)
    text = _NO_LETTER.sub(unmark, _ALONE.sub(mark, text))
    return text if refused else _REFUSED.sub(unmark, text)


def _letter(mark: str) -> str:
    return chr(ord(mark) - _MARK).upper()


def find_letter(response: str, count: int) -> Choice | None:
    """Return the letter that a response chooses among the first `count`, if it chooses one."""
    text = _plain(response)
    start = text.rfind(_THOUGHTS) + len(_THOUGHTS) if _THOUGHTS in text else 0
    text = text[:start] + _marked(text[start:], count)
    place = _decide(text, start, len(text))
    if place is None or _letter(text[place]) not in LETTERS[:count]:
        return None
    return Choice(_letter(text[place]), place)


def _decide(text: str, start: int, end: int) -> int | None:
    """Return the place of the letter that a stretch of marked text chooses."""
    stated = _places(_STATED, text, start, end)
    held = _last_held(text, start, end)
    if held and not (stated and stated[-1] > held[1]):
        return _decide(text, *held)
    leading = _LEADING.match(text, start, end)
    if stated:
        place = stated[-1]
    elif leading and not _lists_options(text, leading.start(1), end):
        place = leading.start(1)
    elif concluded := _places(_CONCLUDED, text, start, end):
        place = concluded[-1]
    else:
        places = _places(_ENCLOSED, text, start, end) or _places(_NAKED, text, start, end)
        if len({_letter(text[at]) for at in places}) != 1:
            return None
        place = places[-1]
    if _BEFORE_ANOTHER.match(text, place + 1, end) or _AFTER_ANOTHER.search(
        text[max(start, place - 40) : place]
    ):
        return None
    return place


def _places(pattern: re.Pattern[str], text: str, start: int, end: int) -> list[int]:
    """Return where the letter of each match is."""
    return [m.start(m.lastindex or 0) for m in pattern.finditer(text, start, end)]


def _last_held(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return start and end of what the last box or answer tag holds, if one holds anything."""
    for holder in reversed(list(_HOLDER.finditer(text, start, end))):
        first = holder.end()
        stop = _closing_brace(text, first, end) if text[first - 1] == "{" else text.find("<", first)
        stop = end if stop < 0 else min(stop, end)
        if text[first:stop].strip():
            return first, stop
    return None


def _closing_brace(text: str, start: int, end: int) -> int:
    depth = 1
    for place in range(start, end):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    return end


def _lists_options(text: str, place: int, end: int) -> bool:
    """Whether the letter at `place` begins a list: "A. left B. right"."""
    return _letter(text[place]) == "A" and _SECOND.search(text, place, end) is not None


def choose(response: str, options: Sequence[str]) -> Choice | None:
    """Return the option that a response names: the text of exactly one, else by its letter."""
    said = _comparable(_answer_text(response))
    same = [i for i, text in enumerate(options) if _comparable(text) == said]
    if len(same) == 1 and not re.fullmatch("[a-z]?", str(said)):
        return Choice(LETTERS[same[0]], 0)
    return find_letter(response, len(options))


def judge(response: str, options: Sequence[str], answer: str) -> tuple[str, bool]:
    """Return what a response chooses, and whether that is the answer.

    Among options it is a letter, '' if there is none; else the text. Texts are equal whatever
    their case, spaces, last full stop and quotes; numbers if they are the same number.
    """
    if options:
        choice = choose(response, options)
        letter = choice.letter if choice else ""
        return letter, letter == answer
    return response.strip(), same_text(_answer_text(response), answer)


def same_text(one: str, other: str) -> bool:
    """Whether two open answers are equal; see `judge`."""
    return _comparable(one) == _comparable(other)


def _answer_text(response: str) -> str:
    """Return what the last box or answer tag holds, else all that follows the reasoning."""
    text = response.rpartition(_THOUGHTS)[2]
    held = _last_held(text, 0, len(text))
    return text[slice(*held)] if held else text


def _comparable(text: str) -> str | Decimal:
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    text = text.strip("\"'“”‘’«»*`").rstrip(".。 ") or text
    if re.fullmatch(r"[+-]?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?", text):
        return Decimal(text.replace(",", ""))
    return text


def name_each_other(options: Sequence[str]) -> bool:
    """Whether an option names others, by letter or place: "Both A and B", "none of the above".

    Such a question keeps its order, else it would mean something else.
    """
    for text in options:
        marked = _marked(_plain(text), len(options), refused=True)
        letters = len(text) > 1 and re.search(_CAPITAL, marked)
        if (
            letters
            or _LETTERS_ONLY.fullmatch(text)
            or _ABOUT_OTHERS.search(marked)
            or _ABOUT_ALL.fullmatch(marked.strip(" .。"))
        ):
            return True
    return False

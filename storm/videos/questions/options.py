"""Lettered options, and which of them an answer names.

An answer is a letter, an option's text, or both ("B. right"). What could be read as two options
is refused, never guessed: a wrong label harms more than a question less.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from storm.config import LETTERS
from storm.videos.questions.rows import RepeatedKeys, parse_json
from storm.videos.questions.values import BadEntry, comparable, text_value

INDEX = "answer_is_an_index"

_LETTER = "[A-Za-zＡ-Ｚａ-ｚ]"
_LABEL = re.compile(  # "A. left", "(a) left", "A：左", "1) left"; neither "A.M." nor "1.5"
    rf"^[(\[（【]?\s?(?:({_LETTER})\s?(?:\.(?!\S\.)|[):\]．）：】、])|(\d{{1,2}})[.):\]）](?=\s))\s*(\S.*)$",
    re.DOTALL,
)
_BARE = re.compile(rf"^[(\[（【]?\s?({_LETTER}|\d{{1,2}})\s?[.):\]．）：】、]?$")
NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?$")


def is_letter(text: str) -> bool:
    """Whether a text is nothing but a letter: "B", "(b)"."""
    return _BARE.match(text) is not None and not NUMBER.match(text)


def label_of(text: str) -> tuple[str, str] | None:
    """Return the label that a text begins with, a capital or a number, and the rest."""
    match = _LABEL.match(text)
    return match and (comparable(match[1] or match[2]).upper(), match[3])


@dataclass(frozen=True)
class Options:
    """The options of a question; none for an open one.

    Attributes:
        texts: Without labels.
        written: With the labels they had, if any.
        labels: The label of each, if all have the one that their place asks for.
    """

    texts: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @classmethod
    def read(cls, value: Any) -> Options:
        """Read a list, JSON, `a|b|c`, or an object of texts by letter or number."""
        if value is None or value == "" or value == [] or value == () or value == {}:
            return cls()
        if isinstance(value, str):
            value = _from_text(value)
        labels: tuple[str, ...] = ()
        if isinstance(value, Mapping):
            labels, value = _from_object(value)
        if not isinstance(value, list) or not 2 <= len(value) <= len(LETTERS):
            detail = f"expected 2 to {len(LETTERS)} options, found {value!r:.200}"
            raise BadEntry("bad_options", detail)
        written = tuple(text_value(option, "bad_options", "an option") for option in value)
        texts = written
        split = [label for label in map(label_of, written) if label]
        if tuple(label for label, _ in split) in _sequences(len(written)):
            labels, texts = tuple(zip(*split, strict=True))
        alike, count = Counter(map(_exact, texts)).most_common(1)[0]
        if count > 1:
            raise BadEntry(
                "duplicate_options", f"expected options that differ, found {alike!r} twice"
            )
        return cls(texts, written, labels)

    def answer(self, value: str) -> str:
        """Return the letter of the option that an answer names; raises BadEntry if none or two."""
        by_text = self._with_text(value)
        if (bare := _BARE.match(value)) is not None:
            by_label = self._with_label(comparable(bare[1]).upper())
        elif (split := label_of(value)) is not None:  # "B. right"
            by_label = self._with_label(split[0]) & self._with_text(split[1])
            if not by_label and not by_text:
                by_label = self._with_label(split[0]) | self._with_text(split[1]) | {-1}
        else:
            by_label = set[int]()
        # where options have labels, a label is their name, whatever their texts are
        return self._only(by_label if self.labels and by_label else by_label | by_text, value)

    def _with_text(self, value: str) -> set[int]:
        pairs = list(enumerate(zip(self.texts, self.written, strict=True)))
        exact = {i for i, pair in pairs if _exact(value) in map(_exact, pair)}
        return exact or {i for i, pair in pairs if _loose(value) in map(_loose, pair)}

    def _with_label(self, label: str) -> set[int]:
        labels = self.labels or tuple(LETTERS[: len(self.texts)])
        found = {i for i, own in enumerate(labels) if own == label}
        if self.labels:
            return found
        some = map(label_of, self.written)  # only some have labels, or not those of their places
        return found | {i for i, split in enumerate(some) if split and split[0] == label}

    def _only(self, found: set[int], value: str) -> str:
        named = [LETTERS[i] for i in sorted(found - {-1})]
        if len(named) == 1 and -1 not in found:
            return named[0]
        letters = LETTERS[: len(self.texts)]
        if len(named) > 1:
            raise BadEntry(
                "ambiguous_answer",
                f"expected an answer that names one option, found {value!r:.100} for "
                f"{' and '.join(named)}: write letter and text, as in 'B. right'",
            )
        if NUMBER.match(value):
            raise BadEntry(
                INDEX,
                f"expected one letter of {letters} or an option's text, found the number {value}: "
                "write the letter, since it may count from 0 or from 1",
            )
        raise BadEntry(
            "answer_not_an_option",
            f"expected one letter of {letters} or an option's text, found {value!r:.100}",
        )


def _exact(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def _loose(text: str) -> str:
    """Return a text without its case, quotes and full stop; a number without zeros at its end."""
    text = comparable(text).rstrip(".。").strip(" \"'“”‘’") or text
    return f"{Decimal(text).normalize():f}" if NUMBER.match(text) else text


def _sequences(count: int) -> tuple[tuple[str, ...], ...]:
    """Return the labels that `count` options may have: A, B, ..., 1, 2, ... or 0, 1, ..."""
    numbers = [str(n) for n in range(count + 1)]
    return tuple(LETTERS[:count]), tuple(numbers[1:]), tuple(numbers[:-1])


def _from_text(value: str) -> Any:
    if not value.lstrip().startswith(("[", "{")) or label_of(value.lstrip()):
        return value.split("|")
    try:
        return parse_json(value)
    except (ValueError, RecursionError):
        raise BadEntry("bad_options", f"expected a JSON list, found {value!r:.200}") from None


def _from_object(value: Mapping[Any, Any]) -> tuple[tuple[str, ...], list[Any]]:
    """Return labels and texts of an object, in the order of its labels."""
    if isinstance(value, RepeatedKeys):
        raise BadEntry("bad_options", f"expected each letter once, found {value.repeated}")
    texts = {comparable(str(key)).upper(): text for key, text in value.items() if text is not None}
    for labels in _sequences(len(texts)):
        if set(labels) == set(texts):
            return labels, [texts[label] for label in labels]
    raise BadEntry(
        "bad_options",
        f"expected options by letters A, B, ... or numbers, found {sorted(texts)!r:.200}",
    )

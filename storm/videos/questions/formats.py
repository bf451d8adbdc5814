"""What an entry of a question file means: Video-R1, LLaVA-Video, or named columns."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from storm.config import LETTERS, FrozenModel
from storm.records import Rejected
from storm.videos.questions.options import INDEX, NUMBER, Options, is_letter, label_of
from storm.videos.questions.rows import Entry
from storm.videos.questions.values import BadEntry, text_value


@dataclass(frozen=True, kw_only=True)
class RawQuestion:
    """A question as its file has it, before its video was looked at."""

    id: str
    where: str  # its line or entry
    video: str  # as written
    question: str
    options: tuple[str, ...]  # without letters
    answer: str  # a letter if there are options
    split: str | None  # as the file says, if it does
    cluster: str  # '' for the video
    number: bool = False  # whether the answer was a number that is also an option's text


class Columns(FrozenModel):
    """Which column (or key) of the file holds what."""

    id: str = "id"
    video: str = "video"
    question: str = "question"
    options: str = "options"  # a JSON list, or texts separated by |
    answer: str = "answer"  # a letter, or an option's text
    split: str = "split"  # base, train, val or test
    cluster: str = "cluster"  # questions of one cluster are dependent; empty for those of one video


def asks_about_an_image(entry: Entry) -> bool:
    """Whether it is one of the half of Video-R1 that has no video."""
    return entry.fields.get("data_type") == "image"


def video_r1(entry: Entry) -> Iterator[RawQuestion]:
    """`problem, options ["A. …"], solution "<answer>B</answer>", path, data_type`."""
    fields = entry.fields
    if fields.get("data_type", "video") != "video":
        raise BadEntry("not_a_video_question", f"found data_type {fields['data_type']!r}")
    yield _question(
        entry,
        fields.get("problem_id"),
        video=fields.get("path"),
        question=fields.get("problem"),
        options=fields.get("options"),
        answer=fields.get("solution"),
        split=fields.get("split"),
    )


def llava_video(entry: Entry) -> Iterator[RawQuestion | Rejected]:
    """`id, video, conversations [{from: human, value}, {from: gpt, value}, …]`: pairs."""
    turns = entry.fields.get("conversations")
    if not isinstance(turns, list) or len(turns) < 2 or len(turns) % 2:
        raise BadEntry("bad_conversation", "expected pairs of a question and an answer")
    if not all(isinstance(turn, dict) and isinstance(turn.get("value"), str) for turn in turns):
        raise BadEntry("bad_conversation", "expected a text in each turn")
    base = entry.fields.get("id")
    for number, (asked, told) in enumerate(zip(turns[::2], turns[1::2], strict=True), 1):
        if (asked.get("from"), told.get("from")) != ("human", "gpt"):
            raise BadEntry("bad_conversation", "expected human and gpt by turns")
        one = base if len(turns) == 2 or base in (None, "") else f"{base}/{number}"
        try:
            question, options = _split_options(asked["value"])
            yield _question(
                entry,
                one,
                video=entry.fields.get("video"),
                question=question,
                options=options,
                answer=told["value"],
                split=entry.fields.get("split"),
            )
        except BadEntry as error:
            if one is base:
                raise
            detail = f"{entry.where}: turn {number}: {error}"
            yield Rejected(id=_id(one), reason=error.reason, detail=detail)


def by_columns(entry: Entry, columns: Columns) -> Iterator[RawQuestion]:
    """One question an entry, under the names of `columns`."""
    fields = {role: entry.fields.get(name) for role, name in columns.model_dump().items()}
    yield _question(entry, fields.pop("id"), **fields)


def _question(
    entry: Entry,
    id: Any,
    *,
    video: Any,
    question: Any,
    options: Any,
    answer: Any,
    split: Any,
    cluster: Any = None,
) -> RawQuestion:
    choices = Options.read(options)
    asked = text_value(question, "no_question", "a question")
    path = text_value(video, "no_video", "a video's path")
    right = _untagged(text_value(answer, "no_answer", "an answer"))
    if not choices.texts:
        _refuse_hidden_options(entry, asked, right)
    if id is None or id == "":
        content = json.dumps([path, asked, choices.texts])
        id = hashlib.sha256(content.encode()).hexdigest()[:16]
    for text in (asked, *choices.texts, right):
        _refuse_marks(text)
    letter = choices.answer(right) if choices.texts else right
    _refuse_other_answers(entry, choices, letter)
    return RawQuestion(
        id=_id(id),
        where=entry.where,
        video=path,
        question=asked,
        options=choices.texts,
        answer=letter,
        number=bool(choices.texts) and NUMBER.match(right) is not None,
        split=str(split).strip().lower() or None if split is not None else None,
        cluster="" if cluster is None else str(cluster).strip(),
    )


_SPECIAL = re.compile(r"<\|[^\s|<>]{1,40}\|>")


def _refuse_marks(text: str) -> None:
    """Raise BadEntry if a text holds what no student can be asked.

    Every supported family writes its special tokens like this; others show when they are tokenized.
    """
    if special := _SPECIAL.findall(text):
        raise BadEntry("special_token", f"expected no special tokens, found {special}")
    control = {c for c in text if unicodedata.category(c) == "Cc" and c not in "\t\n\r"}
    if control:
        raise BadEntry(
            "control_character", f"expected no control characters, found {sorted(control)!r}"
        )


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadEntry("bad_id", f"expected an id, found {value!r}")
    text = str(value)
    if not text.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise BadEntry("bad_id", f"expected an id without control characters, found {text!r}")
    return text


_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)


def _untagged(value: str) -> str:
    """Return the answer without its tags; raises BadEntry if there are two, or half of one."""
    if "<answer>" not in value.lower() and "</answer>" not in value.lower():
        return value
    answers = {answer.strip() for answer in _ANSWER_TAG.findall(value)}
    if len(answers) != 1 or "" in answers:
        raise BadEntry("no_answer", f"expected one <answer>...</answer>, found {value!r:.200}")
    return answers.pop()


_HOLDS_OPTIONS = re.compile(
    r"(?P<all>options?|choices|candidates|answer_choices)"
    r"|(?:option|choice|opt|candidate|answer|a)?[ _-]?[0-9a-f]",
    re.IGNORECASE,
)
_ALSO_ANSWERS = re.compile(
    r"(?:correct|right|gold|gt)[ _-]?(?:answer|option|choice|letter|idx|index)"
    r"|answer[ _-](?:text|letter|option|choice|idx|index|number)",
    re.IGNORECASE,
)
_LISTED = re.compile(r"(?<!\w)[(\[]?A[.):\]]\s*\S.*(?<!\w)[(\[]?B[.):\]]\s*\S", re.DOTALL)


def _refuse_hidden_options(entry: Entry, asked: str, answer: str) -> None:
    """Raise BadEntry if a question without options has some in a place that is not read."""
    if is_letter(answer) and _LISTED.search(asked):
        raise BadEntry("options_not_read", "expected options in lines of their own: A. ... B. ...")
    named = [
        (n, _HOLDS_OPTIONS.fullmatch(n)) for n, v in entry.fields.items() if v not in (None, "", [])
    ]
    found = [(name, match["all"]) for name, match in named if match]
    choice = entry.fields.get("problem_type") == "multiple choice"
    if choice or len(found) > 1 or any(whole for _, whole in found):
        raise BadEntry(
            "options_not_read",
            f"expected the options as one list under columns.options, found "
            f"{sorted(name for name, _ in found)}",
        )


def _refuse_other_answers(entry: Entry, choices: Options, letter: str) -> None:
    """Raise BadEntry if a column beside the answer's names another option."""
    for name, value in entry.fields.items():
        if not choices.texts or not _ALSO_ANSWERS.fullmatch(name):
            continue
        try:
            text = text_value(value, "no_answer", "an answer")
            other = choices.answer(text)
        except BadEntry as error:
            place = LETTERS.index(letter)
            if error.reason != INDEX or float(value) in (place, place + 1):
                continue
            other = text_value(value, "no_answer", "an answer")
        if other != letter:
            raise BadEntry("answers_differ", f"expected {letter}, found {other} in {name!r}")


_ASKED_BY_LETTER = re.compile(r"\b(?:letter|answer|option|choice|respond|select|choose)", re.I)


def _split_options(text: str) -> tuple[str, list[str]]:
    """Return the question and its options, which stand below it, a line each, or in its last line.

    An instruction may stand after them ("Answer with the letter."). Raises BadEntry where other
    text does, since that may be a part of the last option.
    """
    plain = text.replace("<image>", "").replace("<video>", "")
    lines = [line.strip() for line in plain.split("\n") if line.strip()]
    starts: list[int] = []
    for number, line in enumerate(lines):
        label = label_of(line)
        if label and label[0] == LETTERS[len(starts)]:
            starts.append(number)
    if len(starts) < 2:
        return "\n".join(lines), []
    ends = [*starts[1:], starts[-1] + 1]
    options = [" ".join(lines[i:j]) for i, j in zip(starts, ends, strict=True)]
    for line in lines[ends[-1] :]:
        if not _ASKED_BY_LETTER.search(line):
            raise BadEntry(
                "bad_options", f"expected nothing after the options, found {line!r:.100}"
            )
    return "\n".join(lines[: starts[0]]), options

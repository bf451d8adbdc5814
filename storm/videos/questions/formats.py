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
from storm.errors import DataError
from storm.videos.questions.rows import Entry


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


class Columns(FrozenModel):
    """Which column (or key) of the file holds what."""

    id: str = "id"
    video: str = "video"
    question: str = "question"
    options: str = "options"  # a JSON list, or texts separated by |
    answer: str = "answer"  # a letter, or an option's text
    split: str = "split"  # base, train, val or test
    cluster: str = "cluster"  # questions of one cluster are dependent; empty for those of one video


class EmbeddedVideo:
    """Stands for a video whose bytes are inside the data set; they are never read."""


class BadEntry(DataError):
    """An entry that is no question. `reason` is a slug."""

    def __init__(self, reason: str, detail: str):
        super().__init__(detail)
        self.reason = reason


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


def llava_video(entry: Entry) -> Iterator[RawQuestion]:
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
        question, options = _split_options(asked["value"])
        one = base if len(turns) == 2 or base in (None, "") else f"{base}/{number}"
        yield _question(
            entry,
            one,
            video=entry.fields.get("video"),
            question=question,
            options=options,
            answer=told["value"],
            split=entry.fields.get("split"),
        )


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
    texts = _options(options)
    asked = _text(question, "no_question", "a question")
    path = _text(video, "no_video", "a video's path")
    if id is None or id == "":
        content = json.dumps([path, asked, texts])
        id = hashlib.sha256(content.encode()).hexdigest()[:16]
    return RawQuestion(
        id=_id(id),
        where=entry.where,
        video=path,
        question=asked,
        options=texts,
        answer=_answer(_text(answer, "no_answer", "an answer"), texts),
        split=str(split).strip().lower() or None if split is not None else None,
        cluster="" if cluster is None else str(cluster).strip(),
    )


def _text(value: Any, reason: str, what: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, EmbeddedVideo):
        raise BadEntry(
            "embedded_video",
            "expected a path, found the video's bytes: write them to files under the root and name "
            "those",
        )
    if not isinstance(value, str) or not value.strip():
        raise BadEntry(reason, f"expected {what}, found {value!r}")
    _encodable(value, reason)
    return value.strip()


def _encodable(value: str, reason: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadEntry(reason, f"expected Unicode text, found {value!r}") from None


def _id(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadEntry("bad_id", f"expected an id, found {value!r}")
    text = str(value)
    if not text.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
        raise BadEntry("bad_id", f"expected an id without control characters, found {text!r}")
    return text


def _options(value: Any) -> tuple[str, ...]:
    """Texts without their letters, from a list, JSON, or `a|b|c`."""
    if value in (None, "", [], ()):
        return ()
    if isinstance(value, str):
        if value.lstrip().startswith("["):
            try:
                value = json.loads(value)
            except ValueError:
                raise BadEntry("bad_options", f"expected a JSON list, found {value!r}") from None
        else:
            value = value.split("|")
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list) or not 2 <= len(value) <= len(LETTERS):
        raise BadEntry("bad_options", f"expected 2 to {len(LETTERS)} options, found {value!r}")
    texts = [_text(option, "bad_options", "an option") for option in value]
    lettered = [_LETTERED.match(text) for text in texts]
    if all(m and m[1].upper() == LETTERS[i] for i, m in enumerate(lettered)):
        texts = [m[2].strip() for m in lettered if m]
    return tuple(_text(text, "bad_options", "an option") for text in texts)


_LETTERED = re.compile(r"^\(?([A-Za-z])[.):](?:\s+|$)(.*)$", re.DOTALL)
_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)


def _answer(value: str, options: tuple[str, ...]) -> str:
    """Return the answer without its tags; with options, the letter it names."""
    tagged = _ANSWER_TAG.search(value)
    answer = (tagged[1] if tagged else value).strip()
    if not answer:
        raise BadEntry("no_answer", f"expected an answer, found {value!r}")
    if not options:
        return answer
    if answer in options:
        return LETTERS[options.index(answer)]
    letter = re.match(r"^\(?([A-Za-z])(?:[.):]|$)", answer)
    if letter and letter[1].upper() in LETTERS[: len(options)]:
        return letter[1].upper()
    raise BadEntry(
        "answer_not_an_option",
        f"expected one letter of {LETTERS[: len(options)]} or an option's text, found {answer!r}",
    )


def _split_options(text: str) -> tuple[str, list[str]]:
    """LLaVA-Video puts the options under the question, a line each, and an instruction after."""
    plain = text.replace("<image>", "").replace("<video>", "")
    lines = [line.strip() for line in plain.split("\n") if line.strip()]
    starts = [i for i, line in enumerate(lines) if line.startswith(("A.", "A)", "(A)"))]
    if not starts:
        return "\n".join(lines), []
    options: list[str] = []
    for line in lines[starts[0] :]:
        match = _LETTERED.match(line)
        if not match or match[1].upper() != LETTERS[len(options)]:
            break
        options.append(match[2])
    question = "\n".join(lines[: starts[0]])
    return (question, options) if len(options) > 1 else ("\n".join(lines), [])

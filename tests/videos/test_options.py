"""However options and answers are laid out, the right option's text is read, or nothing."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from storm.config import LETTERS
from storm.errors import DataError
from storm.records import Rejected
from storm.videos.questions.sources import QuestionFile
from storm.videos.questions.values import comparable

ODD = r"""
A B C D a b c d 0 1 2 3 Ａ A. (B) A._B B._right C:_up 1._one 1.5 A.M. 10:30 A_and_B both left Left
left. _le_ft 3.0 3 x|y <answer> 真 NaN "quoted" é J._Smith null [a]
"""  # _ is a space
TEXTS = st.one_of(
    st.sampled_from([word.replace("_", " ") for word in ODD.split()]),
    st.sampled_from(["right\nand up", "e\u0301", "\u00a0b", "A\u200b"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12),
)
SETS = st.lists(TEXTS.filter(lambda t: bool(comparable(t))), min_size=2, max_size=6)
LABELS = [
    "{}. {}",
    "({}) {}",
    "{}) {}",
    "{}: {}",
    "{}：{}",
    "（{}）{}",
    "[{}] {}",
    "{}.{}",
    "{}、{}",
]
NO_LABEL = "{1}"


def spaced(text: str) -> str:
    return " ".join(text.split())


def answers_of(texts: list[str], right: int) -> dict[str, Any]:
    letter, text = LETTERS[right], texts[right]
    return {
        "letter": letter,
        "small": letter.lower(),
        "marked": f"({letter})",
        "dotted": f"{letter}.",
        "both": f"{letter}. {text}",
        "both in brackets": f"({letter}) {text}",
        "text": text,
    }


def read(path: Path, kind: str = "auto") -> tuple[list[Any], list[Rejected]]:
    questions, rejected, _ = QuestionFile(questions=str(path), kind=kind).read()  # type: ignore[arg-type]
    return questions, rejected


def as_list(options: list[str], answer: str) -> tuple[str, str]:
    return "q.json", json.dumps([entry(options, answer)])


def as_lines(options: list[str], answer: str) -> tuple[str, str]:
    return "q.jsonl", json.dumps(entry(options, answer), ensure_ascii=False)


def as_object(options: list[str], answer: str) -> tuple[str, str]:
    by_letter = dict(reversed(list(zip(LETTERS, options, strict=False))))
    return "q.json", json.dumps([entry(by_letter, answer)])


def as_csv(options: list[str], answer: str) -> tuple[str, str]:
    return "q.csv", table(json.dumps(options), answer)


def as_csv_with_bars(options: list[str], answer: str) -> tuple[str, str]:
    return "q.csv", table("|".join(options), answer)


def as_video_r1(options: list[str], answer: str) -> tuple[str, str]:
    fields = {"problem_id": 1, "problem": "What?", "path": "a.mp4", "data_type": "video"}
    solution = f"<answer>{answer}</answer>"
    return "q.json", json.dumps([fields | {"options": options, "solution": solution}])


def as_llava(options: list[str], answer: str) -> tuple[str, str]:
    asked = "\n".join(["<image>\nWhat?", *options, "Answer with the letter."])
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    return "q.json", json.dumps([{"id": "1", "video": "a.mp4", "conversations": turns}])


def entry(options: Any, answer: str) -> dict[str, Any]:
    return {"id": "1", "video": "a.mp4", "question": "What?", "options": options, "answer": answer}


def table(options: str, answer: str) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(
        [["id", "video", "question", "options", "answer"], ["1", "a.mp4", "What?", options, answer]]
    )
    return out.getvalue()


WRITERS = [as_list, as_lines, as_object, as_csv, as_csv_with_bars, as_video_r1, as_llava]


@given(
    texts=SETS,
    data=st.data(),
    label=st.sampled_from([NO_LABEL, *LABELS]),
    write=st.sampled_from(WRITERS),
    form=st.sampled_from(sorted(answers_of(["x", "y"], 0))),
)
def test_the_text_of_the_right_option_survives(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    data: st.DataObject,
    label: str,
    write: Any,
    form: str,
) -> None:
    right = data.draw(st.integers(0, len(texts) - 1))
    if form == "text" and label != NO_LABEL:  # with labels, "B" is a label and not a text
        assume(comparable(texts[right]).strip("().[]:").upper() not in LETTERS)
    written = [label.format(LETTERS[i], text) for i, text in enumerate(texts)]
    name, content = write(written, answers_of(texts, right)[form])
    path = tmp_path_factory.getbasetemp() / name
    path.write_text(content, "utf-8")
    questions, rejected = read(path)
    assert len(questions) + len(rejected) == 1
    for question in questions:
        if not question.options:  # LLaVA-Video's questions, where none was found
            assert write is as_llava
            assert question.answer == answers_of(texts, right)[form].strip()
            assert form in ("both", "both in brackets", "text") or label == NO_LABEL
            continue
        if write is as_csv_with_bars and any("|" in text for text in texts):
            continue
        found = question.options[LETTERS.index(question.answer)]
        assert spaced(found) in (
            spaced(texts[right]),
            spaced(written[right]),
            stripped(texts[right]),
        )
        assert len(question.options) == len(texts)


def stripped(text: str) -> str:
    """A text that begins with the label of its own place is taken for labelled."""
    from storm.videos.questions.options import label_of

    label = label_of(text.strip())
    return spaced(label[1]) if label else spaced(text)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("form", sorted(answers_of(["x", "y"], 0)))
def test_plain_options_are_all_read(tmp_path: Path, label: str, write: Any, form: str) -> None:
    texts = ["left", "right", "straight on", "nowhere"]
    written = [label.format(LETTERS[i], text) for i, text in enumerate(texts)]
    name, content = write(written, answers_of(texts, 2)[form])
    (tmp_path / name).write_text(content, "utf-8")
    questions, rejected = read(tmp_path / name)
    assert not rejected
    assert (questions[0].options, questions[0].answer) == (tuple(texts), "C")


def of_entries(
    tmp_path: Path, *entries: dict[str, Any] | str
) -> tuple[dict[str, str], dict[str, str]]:
    path = tmp_path / "q.jsonl"
    base = {"video": "a.mp4", "question": "What?"}
    made = [
        e if isinstance(e, str) else json.dumps({"id": str(n)} | base | e)
        for n, e in enumerate(entries)
    ]
    path.write_text("\n".join(made), "utf-8")
    questions, rejected = read(path)
    return {q.id: q.answer for q in questions}, {r.id: r.reason for r in rejected}


def test_where_some_answers_count_options_no_number_is_a_text(tmp_path: Path) -> None:
    index = {"options": ["left", "right"], "answer": 1}
    number = {"options": ["1", "2", "3"], "answer": 2}
    letter = {"options": ["1", "2", "3"], "answer": "B"}
    assert of_entries(tmp_path, number, letter) == ({"0": "B", "1": "B"}, {})
    good, bad = of_entries(tmp_path, number, letter, index)
    assert good == {"1": "B"}
    assert bad == {"0": "ambiguous_answer", "2": "answer_is_an_index"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"answer": "B", "A": "left", "B": "right"}, "options_not_read"),
        ({"answer": "left", "choices": ["left", "right"]}, "options_not_read"),
        ({"answer": 1, "a0": "left", "a1": "right"}, "options_not_read"),
        ({"answer": "B", "option_a": "left", "option_b": "right"}, "options_not_read"),
        ({"answer": "B", "question": "Where? A. left B. right"}, "options_not_read"),
        ({"answer": "B", "options": ["x", "y"], "answer_text": "x"}, "answers_differ"),
        ({"answer": "B", "options": ["x", "y"], "answer_idx": 0}, "answers_differ"),
        ({"answer": "x", "options": ["x", "y"], "correct_option": "B"}, "answers_differ"),
        ({"answer": "x", "question": "What is <|video_pad|>?"}, "special_token"),
        ({"answer": "A", "options": ["<|im_end|>", "y"]}, "special_token"),
        ({"answer": "<|latent_pad|>"}, "special_token"),
        ({"answer": "x", "question": "What\0?"}, "control_character"),
        ({"answer": "A", "options": ["a\x1b[0m", "y"]}, "control_character"),
        ({"answer": "x", "question": "\ud800"}, "no_question"),
        ({"answer": "x", "question": "\u200b\u200b"}, "no_question"),
        ({"answer": float("nan")}, "no_answer"),
        ({"answer": True}, "no_answer"),
        ({"answer": ["A"], "options": ["x", "y"]}, "no_answer"),
        ({"answer": "<answer>A</answer><answer>B</answer>", "options": ["x", "y"]}, "no_answer"),
        ({"answer": "<answer>A", "options": ["x", "y"]}, "no_answer"),
        ({"answer": "<answer> </answer>", "options": ["x", "y"]}, "no_answer"),
    ],
)
def test_what_is_written_elsewhere_is_not_passed_over(
    tmp_path: Path, fields: dict[str, Any], reason: str
) -> None:
    assert of_entries(tmp_path, fields) == ({}, {"0": reason})


def test_answers_that_agree_and_numbers_are_kept_as_written(tmp_path: Path) -> None:
    agreeing = {"answer": "B", "options": ["x", "y"], "answer_text": "y", "answer_idx": 1}
    assert of_entries(tmp_path, agreeing, {"answer": "B"}) == ({"0": "B", "1": "B"}, {})
    fraction = '{"id": "f", "video": "a.mp4", "question": "How far?", "answer": 0.50, "x": NaN}'
    twice = '{"id": "t", "video": "a.mp4", "question": "What?", "answer": "A", "answer": "B"}'
    good, bad = of_entries(tmp_path, fraction, twice)
    assert good == {"f": "0.50"}
    assert list(bad.values()) == ["repeated_key"]


def test_csv_columns_are_named_once_and_cells_may_be_long(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("id,video,question,answer,answer\n1,a.mp4,What?,A,B\n")
    with pytest.raises(DataError, match="each column once"):
        read(path)
    path.write_text("id,video,question,answer\n1,a.mp4,What?,A\n2,a.mp4," + "x" * 200_000 + ",B\n")
    questions, _ = read(path)
    assert [len(q.question) for q in questions] == [5, 200_000]


@pytest.mark.parametrize(
    ("asked", "answer", "options"),
    [
        ("Where?\nA: left\nB: right", "B", ("left", "right")),
        ("Where?\n(A) left\n(B) right", "(B) right", ("left", "right")),
        (
            "Where?\nA. left\nand up\nB. right\nAnswer with the letter.",
            "B",
            ("left and up", "right"),
        ),
        ("Where?\nA. left\nB. right\nand up", "B", "bad_options"),
        ("Where?\nA. left\nC. right", "C", ()),
        ("Where? A. left B. right", "B", "options_not_read"),
        ("Where?\nA.\nleft\nB.\nright", "B", "options_not_read"),
        ("Who says it?\nA. J. Smith is speaking\nto B. Jones", "A. J. Smith", ()),
        ("A: Hello\nB: Hi\nWhat do they say?", "A. Hello", "bad_options"),
        ("Which letter?", "B", ()),
    ],
)
def test_options_below_a_question(
    tmp_path: Path, asked: str, answer: str, options: tuple[str, ...] | str
) -> None:
    turns = [{"from": "human", "value": asked}, {"from": "gpt", "value": answer}]
    path = tmp_path / "q.json"
    path.write_text(json.dumps([{"id": "1", "video": "a.mp4", "conversations": turns}]))
    questions, rejected = read(path)
    assert [q.options for q in questions] + [r.reason for r in rejected] == [options]

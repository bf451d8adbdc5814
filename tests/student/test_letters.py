from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storm.config import LETTERS
from storm.student import letter_phrases as phrases
from storm.student.letters import choose, find_letter, judge
from tests.student.letter_table import ROWS

BEFORE = ("{} is B", "{}: B", "{}\n\nB", "{}: (b)", "**{}:** B")


def letter_of(response: str, count: int = 4) -> str:
    found = find_letter(response, count)
    return found.letter if found else ""


@pytest.mark.parametrize(("response", "count", "letter"), ROWS)
def test_a_response_is_read_as_the_table_says(response: str, count: int, letter: str) -> None:
    assert letter_of(response, count) == letter


def test_the_table_has_enough_of_everything() -> None:
    assert len(ROWS) > 600
    assert len({right for _, _, right in ROWS}) > 8


@pytest.mark.parametrize("phrase", phrases.ANSWER)
def test_an_answer_phrase_goes_before_other_letters(phrase: str) -> None:
    for form in BEFORE:
        assert letter_of("C, perhaps? " + form.format(phrase)) == "B", form


@pytest.mark.parametrize("word", phrases.JOINED)
def test_of_two_letters_that_a_word_joins_there_is_none(word: str) -> None:
    assert letter_of(f"A {word} B") == letter_of(f"Answer: A {word} B") == ""


@given(st.text("ABab .,:()\n*選은isnotadr答案<>\\{}", max_size=80), st.integers(1, 26))
def test_a_letter_is_where_it_says_and_one_of_the_options(response: str, count: int) -> None:
    found = find_letter(response, count)
    if found:
        assert found.letter in LETTERS[:count]
        assert response[found.place].upper() == found.letter


@given(st.text(max_size=200))
def test_any_text_is_read(response: str) -> None:
    assert letter_of(response) in {"", *"ABCD"}


@pytest.mark.parametrize("letter", "ABCD")
def test_every_letter_is_read_alike(letter: str) -> None:
    for response, count, right in ROWS:
        if count == 4 and right == "B" and len(response) < 4 and "B" in response:
            assert letter_of(response.replace("B", letter)) == letter


@pytest.mark.parametrize(
    "part",
    ["A, ", "A and ", "not A or ", "\\boxed{", "<answer>", "the option ", "答案", " ", "A  "],
)
def test_long_responses_take_no_time(part: str) -> None:
    start = time.process_time()
    letter_of(part * (10_000 // len(part)))
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    ("response", "options", "letter"),
    [
        ("right", ("left", "right"), "B"),
        ("Right.", ("left", "right"), "B"),
        ("<answer> right </answer>", ("left", "right"), "B"),
        ("<think>left?</think>right", ("left", "right"), "B"),
        ("a ball", ("a cup", "a ball"), "B"),
        ("Building A", ("Building B", "Building A"), "B"),
        ("2", ("1", "2"), "B"),
        ("2.0", ("1", "2"), "B"),
        ("右", ("左", "右"), "B"),
        ("A", ("B", "A"), "A"),  # the letter of an option, whatever the options' texts
        ("b", ("B", "A"), "B"),
        ("same", ("same", "same"), ""),
        ("B. left", ("left", "right"), "B"),
        ("", ("left", "right"), ""),
        ("up", ("left", "right"), ""),
    ],
)
def test_the_text_of_an_option_names_it(
    response: str, options: tuple[str, ...], letter: str
) -> None:
    choice = choose(response, options)
    assert (choice.letter if choice else "") == letter
    assert judge(response, options, "B") == (letter, letter == "B")


@pytest.mark.parametrize(
    ("response", "answer", "right"),
    [
        ("It rolls", "It rolls.", True),
        ("it rolls.", "It rolls", True),
        ("  It\n rolls ", "It rolls.", True),
        ('"It rolls."', "It rolls", True),
        ("3", "3.0", True),
        ("3.00", "3", True),
        ("1,000", "1000", True),
        ("３", "3", True),
        ("-3", "3", False),
        ("3.5", "3", False),
        ("1,00", "100", False),
        ("<answer>3</answer>", "3", True),
        ("\\boxed{3}", "3.0", True),
        ("cafe\u0301", "caf\u00e9", True),
        ("It rolls down", "It rolls", False),
        ("", "It rolls", False),
        (".", "...", False),
        ("9" * 5000, "9" * 5000, True),
    ],
)
def test_open_answers_are_compared_as_texts_and_numbers(
    response: str, answer: str, right: bool
) -> None:
    assert judge(response, (), answer)[1] == right

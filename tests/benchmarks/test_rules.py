"""Scorers against the rules as written, and against lmms-eval itself where it can be imported."""

from __future__ import annotations

import importlib
import os
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storm.benchmarks.benchmark import get_benchmark
from storm.benchmarks.rules.cleaning import strip_reasoning, unwrap_answer
from storm.benchmarks.scoring import score
from storm.benchmarks.types import AnsweredQuestion, ScoredResponse
from tests.benchmarks import rules
from tests.benchmarks.docs import CAPTION_ANSWERS, caption_doc, doc_of
from tests.benchmarks.response_strategies import RESPONSES

SOME = settings(max_examples=500, deadline=None)
MANY = settings(max_examples=2000, deadline=None)
ANSWERS = st.sampled_from("ABCD")


def scored(name: str, doc: dict[str, Any], response: str | None, **how: Any) -> ScoredResponse:
    benchmark = get_benchmark(name)
    question = benchmark.dataset.question("q", how.pop("task", ""), doc)
    (one,) = score(benchmark, [AnsweredQuestion(question, response)], **how).scored
    return one


@pytest.mark.integration
@SOME
@given(RESPONSES)
@example("</think>A<think>")
@example("<think>x<think>y</think>B</think>C")
def test_reasoning_is_stripped_as_written(response: str) -> None:
    assert strip_reasoning(response) == rules.without_reasoning(response)


@pytest.mark.integration
@SOME
@given(RESPONSES)
@example('".A"')
@example("The answer is A because B is not")
@example("(B) or (A)?")
@example("Option B: a. C) d")
def test_videomme_is_scored_as_written(response: str) -> None:
    one = scored("videomme", doc_of("videomme", answer="B"), response)
    letter = rules.videomme(rules.without_reasoning(response))
    assert (one.extracted, one.score) == (letter, float(letter == "B"))


@pytest.mark.integration
@SOME
@given(RESPONSES)
@example("A.\nb")
@example("a. x\ny")
@example("1,000 (b)c")
@example("... " * 20 + "B.b")
@example("İa")
def test_mvbench_is_scored_as_written(response: str) -> None:
    one = scored("mvbench", doc_of("mvbench", answer="B"), response, task="state_change")
    letter = rules.mvbench(rules.without_reasoning(response))
    assert (one.extracted, one.score) == (letter, float(letter == "B"))


@pytest.mark.integration
@SOME
@given(RESPONSES, st.sampled_from(["multi-choice", "yes_no", "caption_matching"]), st.data())
def test_tempcompass_is_scored_as_written(response: str, task: str, data: st.DataObject) -> None:
    doc = caption_doc(data.draw(CAPTION_ANSWERS)) if "caption" in task else doc_of(task)
    one = scored("tempcompass", doc, response, task=task)
    said = rules.without_reasoning(response)
    expected = rules.tempcompass(task, doc["question"], doc["answer"], said)
    assert (one.score, one.matched) == (expected or 0.0, expected is not None)


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("So (A)?\nTherefore, the final answer is: C", "C"),
        ("therefore, the final answer\nis: **D**.", "D"),
        ("Therefore, the final answer is: $E", "E"),
        ("<answer>A</answer> no, <answer> (B) </answer>", "B"),
        ("<answer>C. the red one</answer>", "C"),
        (r"\boxed{D}", "D"),
        (r"Therefore, the final answer is: $\boxed{\text{A}}$", "A"),
        (r"\boxed{A} then Therefore, the final answer is: B", "B"),
        ("Therefore, the final answer is: A, B, C, D, E", ""),
        ("A, B, C, D, E", ""),
        ("The answer is (B) because A is not shown.", "B"),
        ("Final answer: B\n\nA was ruled out.", "B"),
        ("A ball, so B", "B"),
        ("<answer>none</answer>", ""),
        ("<answer>b</answer>", "B"),
        ("", ""),
        ("I can't tell", ""),
        ("The answer is E", "E"),
        ("F", ""),
    ],
)
def test_mmvu_takes_one_final_letter(response: str, letter: str) -> None:
    for answer in "ABCDE":
        one = scored("mmvu", doc_of("mmvu", answer=answer), response)
        assert one.extracted == letter
        assert one.score == float(answer == letter)


def test_mmvu_flaws_of_lmms_eval_are_only_under_its_name() -> None:
    everything = "A B C D E"
    for answer in "ABCDE":
        assert scored("mmvu", doc_of("mmvu", answer=answer), everything, scorer="lmms_eval").score
    right = [scored("mmvu", doc_of("mmvu", answer=a), everything).score for a in "ABCDE"]
    assert right == [0] * 5
    open_ended = doc_of("mmvu_open")
    assert scored("mmvu", open_ended, "", scorer="lmms_eval").score == 1
    assert scored("mmvu", open_ended, "").score is None
    assert scored("mmvu", open_ended, "something else", scorer="lmms_eval").score == 0


@pytest.mark.parametrize(
    ("scorer", "response", "letter"),
    [
        ("videomme_official", "The best answer is C.", "C"),
        ("videomme_official", "Because of D", "B"),
        ("videomme_official", "Answer: C", "A"),
        ("vlmevalkit", "Answer: C", "C"),
        ("vlmevalkit", "Option: D", "D"),
        ("vlmevalkit", "no idea", ""),
    ],
)
def test_videomme_named_alternatives(scorer: str, response: str, letter: str) -> None:
    assert scored("videomme", doc_of("videomme"), response, scorer=scorer).extracted == letter


@pytest.mark.parametrize(
    ("response", "right"),
    [("A) x", 1), ("(A) x", 1), ("A", 1), ("a.", 1), ("(A", 1), ("B) A", 0), ("", 0), (".", 0)],
)
def test_mvbench_official_looks_at_the_first_word(response: str, right: int) -> None:
    doc = doc_of("mvbench", answer="A")
    one = scored("mvbench", doc, response, task="state_change", scorer="mvbench_official")
    assert one.score == right


@pytest.mark.parametrize("name", ["videomme", "mvbench", "mmvu"])
def test_obedient_letters_score_alike_under_every_rule(name: str) -> None:
    for scorer in get_benchmark(name).scorers:
        for answer in "ABCD":
            for said in "ABCD":
                one = scored(name, doc_of(name, answer=answer), said, scorer=scorer)
                assert one.score == float(said == answer), scorer


def test_answers_are_unwrapped_only_on_request() -> None:
    assert unwrap_answer("a <answer>x</answer> <answer> y\n</answer>") == "y"
    assert unwrap_answer("<answer>x") == "<answer>x"
    doc, response = doc_of("yes_no"), "<think>hm</think><answer>Yes</answer>"
    assert scored("tempcompass", doc, response, task="yes_no").matched is False
    assert scored("tempcompass", doc, response, task="yes_no", unwrap=True).score == 1


@pytest.mark.filterwarnings("ignore")  # its imports warn of much
class TestAgainstLmmsEval:
    """The installed lmms-eval decides; needs it in this environment (it wants av<16)."""

    @pytest.fixture(autouse=True)
    def installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("lmms_eval", reason="lmms-eval is not installed here")
        if not os.environ.get("HF_HOME"):  # one of its files reads it when it is imported
            monkeypatch.setenv("HF_HOME", "/nowhere")

    def utils(self, name: str) -> Any:
        return importlib.import_module(f"lmms_eval.tasks.{name}.utils")

    @MANY
    @given(RESPONSES, ANSWERS)
    def test_videomme(self, response: str, answer: str) -> None:
        doc = doc_of("videomme", answer=answer)
        theirs = self.utils("videomme").videomme_process_results(doc, [cleaned(response)])
        assert sample("videomme", doc, response) == theirs

    @MANY
    @given(RESPONSES, ANSWERS)
    def test_mvbench(self, response: str, answer: str) -> None:
        doc = doc_of("mvbench", answer=answer)
        theirs = self.utils("mvbench").mvbench_process_results(doc, [cleaned(response)])
        assert sample("mvbench", doc, response, task="state_change") == theirs

    @MANY
    @given(RESPONSES, st.sampled_from(["multi-choice", "yes_no", "caption_matching"]), st.data())
    def test_tempcompass(self, response: str, task: str, data: st.DataObject) -> None:
        utils = self.utils("tempcompass")
        utils.get_eval_result = lambda prompt: (None, 0)  # no judge
        doc = caption_doc(data.draw(CAPTION_ANSWERS)) if "caption" in task else doc_of(task)
        process = getattr(utils, f"tempcompass_process_results_{task.replace('-', '_')}")
        theirs = process(doc, [cleaned(response)])
        assert sample("tempcompass", doc, response, task=task) == theirs

    @MANY
    @given(st.one_of(RESPONSES, st.text(alphabet="onO()23²^. DFSdepth", max_size=20)), st.data())
    def test_mmvu(self, response: str, data: st.DataObject) -> None:
        utils = self.utils("mmvu")
        doc = data.draw(
            st.sampled_from([doc_of("mmvu"), doc_of("mmvu_open"), doc_of("mmvu_big_o")])
        )
        one = scored("mmvu", doc, response, scorer="lmms_eval")
        assert one.score == float(utils.evaluate_with_rule_based(doc, cleaned(response)))

    @MANY
    @given(RESPONSES)
    def test_reasoning(self, response: str) -> None:
        assert strip_reasoning(response) == cleaned(response)


def cleaned(response: str) -> str:
    """What lmms-eval's command line hands to its scorers by default."""
    strip = importlib.import_module("lmms_eval.api.reasoning").strip_reasoning_tags
    return strip(response, [["<think>", "</think>"], ["<analysis>", "</analysis>"]])


def sample(name: str, doc: dict[str, Any], response: str, **how: Any) -> dict[str, Any]:
    one = scored(name, doc, response, **how)
    return get_benchmark(name).harness.sample(one)

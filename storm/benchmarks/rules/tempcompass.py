"""lmms-eval's rules for TempCompass: one per task, each looks for exact forms."""

from __future__ import annotations

from storm.benchmarks.types import BenchmarkQuestion, JudgeRequest, RuleResult

OPTION_WORDS = ("Sentence ", "Option ", "Caption ")


def _decided(extracted: str, right: bool) -> RuleResult:
    return RuleResult(extracted, float(right), True)


def _undecided(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Ask a judge; without one it counts as wrong and lowers the match rate."""
    return RuleResult("", 0.0, False, JudgeRequest.of(question, response))


def multi_choice(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Accept the whole option, or a letter A to D, bare or followed by `.` or `)`."""
    gold = question.answer
    if response == gold:
        return _decided(gold[:1], True)
    marked = tuple(f"{letter}{mark}" for letter in "ABCD" for mark in ".)")
    if response in ("A", "B", "C", "D") or response.startswith(marked):
        return _decided(response[0], response[0] == gold[:1])
    return _undecided(question, response)


def yes_no(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Accept a response that begins with yes or no, in any case."""
    for word in ("yes", "no"):
        if response.lower().startswith(word):
            return _decided(word, word == question.answer)
    return _undecided(question, response)


def caption_matching(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Accept an option of the question: its line, sentence, label or bare index."""
    chosen = _chosen_option(question.doc["question"].split("\n")[1:], response)
    if chosen is None:
        return _undecided(question, response)
    gold = question.answer
    label_words = gold.split(": ")[0].split()
    right = chosen in (
        gold,
        gold.split(":")[0],
        _part(gold, ": ", 1),
        label_words[1] if len(label_words) > 1 else None,
    )
    return _decided(chosen, right)


def _chosen_option(lines: list[str], response: str) -> str | None:
    """Return the form that the response has, the last if several match, as in lmms-eval.

    `lines` are the options, such as `Caption A: a cat runs`. The forms in their order: a whole
    line, a line's sentence, a line's label (`Caption A`), its index (`A`).
    """
    labels = [line.split(": ")[0] for line in lines]
    indices = labels
    for word in OPTION_WORDS:
        indices = [index.replace(word, "") for index in indices]
    after_parenthesis = _part(response, ") ", 1)
    without_dots = response.replace(".", "")
    chosen = response if response in lines else None
    for sentence in (_part(line, ": ", 1) for line in lines):
        if sentence is not None and sentence in (response, after_parenthesis):
            chosen = sentence
    for index in (*labels, *indices):
        if index in (response, without_dots):
            chosen = index
    return chosen


def _part(text: str, separator: str, number: int) -> str | None:
    """Return one of the parts; None where lmms-eval stops with an error instead."""
    parts = text.split(separator)
    return parts[number] if number < len(parts) else None


def captioning(question: BenchmarkQuestion, response: str) -> RuleResult:
    """Ask a judge to answer the multiple-choice question from the caption only."""
    doc = question.doc
    text = (
        f"Description of a video:\n{response}\n\n"
        f"Question about the video:\n{doc.get('mc_question') or doc['question']}"
    )
    return RuleResult("", None, None, JudgeRequest(text, gold=question.answer[:1]))


RULES = {
    "multi-choice": multi_choice,
    "yes_no": yes_no,
    "caption_matching": caption_matching,
    "captioning": captioning,
}

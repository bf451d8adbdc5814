"""Hypothesis strategies of responses that break scorers."""

from __future__ import annotations

from hypothesis import strategies as st

LETTERS = st.sampled_from(["A", "B", "C", "D", "E", "F", "a", "b", "c", "d", "e", "Á", "Ａ"])
MARKS = ["(", ")", ".", ":", ",", ";", "!", "?", "'", '"', "-", "_", "/", "`", "*", "$", "\\", "@"]
SPACES = [" ", "  ", "\n", "\t", "\u00a0", "\u3000", ""]
PHRASES = [
    *("The answer is", "the best answer is", "The correct option is", "My choice is", "I choose"),
    *("The best option is", "option is", "Best answer:", "Answer:", "Option:", "I pick", "Because"),
    *("Therefore, the final answer is:", "therefore, the final\nanswer is:", "答案是", "选"),
    *("<think>", "</think>", "<analysis>", "</analysis>", "<answer>", "</answer>", "<THINK>"),
    *("\\boxed{", "}", "yes", "No", "YES,", "none", "a man", "A man", "Dad", "CABBAGE", "1,000"),
    *("3.5", "...", "İ", "ß", "ﬁ", "é", "\u0307", "\u200b", "Caption A", "Option 1", "Sentence B"),
    *("Caption A: a cat runs", "a cat runs", "a dog sits", "A) a cat runs", "A. red", "O(n²)"),
]
PIECES = st.one_of(LETTERS, *map(st.sampled_from, (MARKS, SPACES, PHRASES)))
RESPONSES = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=12).map(" ".join),
    st.text(max_size=30),
    st.text(alphabet="ABCDEabcde().:,! '\"\n", max_size=16),
)

"""Invented rows of the data sets, in their own columns."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

_OPTIONS = ["a red ball", "a blue cube", "Two cats", "none of these", "the 3 of them"]
CAPTION_ANSWERS = st.sampled_from([0, 1])


def doc_of(name: str, answer: str = "A", **columns: Any) -> dict[str, Any]:
    """A row; `answer` is the right letter where the data set has letters."""
    return {**_DOCS[name](answer), **columns}


def _videomme(answer: str) -> dict[str, Any]:
    return {
        "video_id": "001",
        "duration": "short",
        "domain": "Knowledge",
        "sub_category": "Law",
        "url": "none",
        "videoID": "v001",
        "question_id": "q",
        "task_type": "OCR Problems",
        "question": "What is shown?",
        "options": [f"{letter}. {text}" for letter, text in zip("ABCD", _OPTIONS)],
        "answer": answer,
    }


def _mvbench(answer: str) -> dict[str, Any]:
    return {
        "video": "v1.mp4",
        "question": "What is shown?",
        "candidates": _OPTIONS,
        "answer": _OPTIONS["ABCDE".index(answer)],
    }


def _mmvu(answer: str) -> dict[str, Any]:
    return {
        "id": "validation_0",
        "video": "videos/Art/0.mp4",
        "video_path": "videos/Art/0.mp4",
        "question_type": "multiple-choice",
        "metadata": {"subject": "Art"},
        "question": "What is shown?",
        "choices": dict(zip("ABCDE", _OPTIONS)),
        "answer": answer,
    }


def _mmvu_open(answer: str) -> dict[str, Any]:
    return {**_mmvu("A"), "question_type": "open-ended", "answer": "Depth-First Search (DFS)"}


def _multi_choice(answer: str) -> dict[str, Any]:
    return {
        "video_id": "1",
        "question": "What happens?\nA. red\nB. blue\nC. green",
        "answer": f"{answer}. red",
        "dim": "action",
    }


def _yes_no(answer: str) -> dict[str, Any]:
    return {"video_id": "1", "question": "Is it red?", "answer": "yes", "dim": "speed"}


def caption_doc(right: int, label: str = "Caption", indices: str = "AB") -> dict[str, Any]:
    lines = [f"{label} {i}: {text}" for i, text in zip(indices, ("a cat runs", "a dog sits"))]
    return {
        "video_id": "1",
        "question": "\n".join(["Which caption matches?", *lines]),
        "answer": lines[right],
        "dim": "order",
    }


def _captioning(answer: str) -> dict[str, Any]:
    return {
        "video_id": "1",
        "question": "Describe it.\nGenerated Caption:",
        "answer": "A red ball rolls.",
        "mc_question": "What happens?\nA. red\nB. blue",
        "mc_answer": "A. red",
        "dim": "direction",
    }


_DOCS = {
    "videomme": _videomme,
    "mvbench": _mvbench,
    "mmvu": _mmvu,
    "mmvu_open": _mmvu_open,
    "mmvu_big_o": lambda answer: {**_mmvu_open(answer), "answer": "O(n²)"},
    "multi-choice": _multi_choice,
    "yes_no": _yes_no,
    "caption_matching": lambda answer: caption_doc("AB".index(answer)),
    "captioning": _captioning,
}

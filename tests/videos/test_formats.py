"""What the entries of known formats mean."""

from __future__ import annotations

import json
from pathlib import Path

from storm.videos.questions.sources import QuestionFile


def test_video_r1(root: Path):
    entries = [
        {
            "problem_id": 7,
            "problem": "Which?",
            "data_type": "video",
            "options": ["A. one", "B. two"],
            "solution": "<answer>B</answer>",
            "path": "a.mp4",
        },
        {
            "problem_id": 8,
            "problem": "How many?",
            "data_type": "video",
            "options": [],
            "solution": "<answer>12</answer>",
            "path": "b.mp4",
        },
        {"problem_id": 9, "problem": "?", "data_type": "image", "solution": "x", "path": "a.png"},
    ]
    path = root / "r1.json"
    entries.append({**entries[-1], "problem_id": 10, "data_type": "audio"})
    path.write_text(json.dumps(entries))
    samples, rejected, _, images = QuestionFile(questions=str(path)).samples()
    assert [(s.id, s.options, s.answer) for s in samples] == [
        ("7", ("one", "two"), "B"),
        ("8", (), "12"),
    ]
    assert [(r.id, r.reason) for r in rejected] == [("10", "not_a_video_question")]
    assert images == 1, "nobody asked for it, so it is not rejected"


def test_llava_video(root: Path):
    asked = "<image>\nWhat is held?\nA. A cup.\nB. A ball.\nPlease respond with only the letter."
    entries = [
        {
            "id": "x",
            "video": "a.mp4",
            "conversations": [
                {"from": "human", "value": asked},
                {"from": "gpt", "value": "B."},
                {"from": "human", "value": "And why?"},
                {"from": "gpt", "value": "To throw it."},
            ],
        },
        {"id": "y", "video": "a.mp4", "conversations": [{"from": "human", "value": "Hm?"}]},
    ]
    path = root / "llava.json"
    path.write_text(json.dumps(entries))
    samples, rejected, *_ = QuestionFile(questions=str(path)).samples()
    assert [(s.id, s.question, s.options, s.answer) for s in samples] == [
        ("x/1", "What is held?", ("A cup.", "A ball."), "B"),
        ("x/2", "And why?", (), "To throw it."),
    ]
    assert [(r.id, r.reason) for r in rejected] == [("y", "bad_conversation")]


def test_lettered_options_in_a_json_list(root: Path, film: Path):
    """Several questions on each of eight videos, as annotators write them."""
    for n in range(8):
        (root / f"{n}.mp4").write_bytes(film.read_bytes() + b"\0\0\0\x08free" * (n + 9))
    entries = [
        {
            "id": f"q{n}",
            "video": f"{n % 8}.mp4",
            "question": f"What happens at {n}?",
            "options": ["A. it falls", "B. it rolls", "C. nothing"],
            "answer": "ABC"[n % 3],
        }
        for n in range(19)
    ]
    (root / "qa.json").write_text(json.dumps(entries))
    samples, rejected, found, _ = QuestionFile(questions=str(root / "qa.json")).samples()
    assert (len(samples), rejected, found) == (19, [], root)
    assert len({s.video_id for s in samples}) == 8
    assert not any(option.startswith("A.") for s in samples for option in s.options)
    assert {s.split for s in samples} == {"train", "test"}

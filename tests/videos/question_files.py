"""Question files for tests, beside the videos of the fixture `root`."""

from __future__ import annotations

import json
from pathlib import Path

from storm.videos.questions.sources import QuestionFile

GOOD = {"id": "1", "video": "a.mp4", "question": "What moves?", "options": ["cup", "ball"]}


def lines(root: Path, *entries: dict | str) -> QuestionFile:
    """Write JSON lines of `GOOD` with changed fields, or raw text."""
    path = root / "questions.jsonl"
    text = [e if isinstance(e, str) else json.dumps(GOOD | {"answer": "A"} | e) for e in entries]
    path.write_text("\n".join(text))
    return QuestionFile(questions=str(path))


def many(root: Path, film: Path, count: int, **fields) -> QuestionFile:
    """Write two questions on each of `count` different videos."""
    for i in range(count):
        (root / f"{i}.mp4").write_bytes(film.read_bytes() + b"\0\0\0\x08free" * (i + 1))
    entries = [{"id": f"{i}-{j}", "video": f"{i}.mp4"} for i in range(count) for j in range(2)]
    return lines(root, *(e | fields for e in entries))

"""Requests to teachers, and the reply of a model that follows its instructions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from storm.records import Keyframes
from storm.testing import make_sample
from storm.thought_prompts.base import TeacherRequest, TeacherSetup
from storm.videos.decoding.encode import jpeg

NO_SETUP = TeacherSetup("cpu", Path("/dev/null/cache"), Path("/dev/null/usage"))  # unused
REASONS = ("first", "motion_peak", "last")


def teacher_request(
    name: str = "q0",
    question: str = "Which hand throws?",
    options: tuple[str, ...] = ("the left", "the right"),
    answer: str = "B",
    frames: int = 3,
) -> TeacherRequest:
    colours = np.linspace(0, 255, frames).astype(np.uint8)
    return TeacherRequest(
        make_sample(name, question=question, options=options, answer=answer),
        Keyframes(
            id="v",
            pts_seconds=tuple(1.25 * n for n in range(frames)),
            reasons=REASONS[:frames],
            scores=(1.0,) * frames,
            images=tuple(jpeg(np.full((56, 56, 3), c, np.uint8)) for c in colours),
            duration_seconds=4.0,
        ),
    )


def text_of(body: dict[str, Any]) -> str:
    """Return all text of a request to a server."""
    parts = [m["content"] for m in body["messages"]]
    flat = [p for c in parts for p in ([{"text": c}] if isinstance(c, str) else c)]
    return "\n".join(part.get("text", "") for part in flat)


def valid_reply(body: dict[str, Any], **changes: Any) -> str:
    """Return the reply that the request asks for."""
    found = re.search(r'"id": "(q-[0-9a-f]{8})"', text_of(body))
    assert found, "the request holds its tag"
    steps = ["the red ball rolls to the left", "it stops at the wall"]
    said = {"id": found[1], "steps": steps, "video_prompt": f"A ball rolls, {found[1]}."}
    return json.dumps({**said, **changes})

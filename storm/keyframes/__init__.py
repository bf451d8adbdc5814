"""Selectors: pick the frames of a video that the teacher (the prompt LLM) looks at.

These names are all that a selector of your own needs.
"""

from storm.errors import StageFailed, UnreadableVideo
from storm.keyframes.base import (
    FrameSelector,
    SelectedFrames,
    Selection,
    Selector,
    SelectorConfig,
    fill_with_coverage,
    make_keyframes,
)
from storm.records import Keyframes

__all__ = [
    "FrameSelector",
    "Keyframes",
    "SelectedFrames",
    "Selection",
    "Selector",
    "SelectorConfig",
    "StageFailed",
    "UnreadableVideo",
    "fill_with_coverage",
    "make_keyframes",
]

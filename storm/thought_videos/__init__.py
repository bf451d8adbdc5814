"""Generators: draw the thought videos that a teacher described.

These names are all that a generator of your own needs.
"""

from storm.errors import StageFailed
from storm.records import Rejected
from storm.thought_videos.base import (
    ClipFormat,
    GeneratedClip,
    Generator,
    GeneratorConfig,
    GeneratorRequest,
    keyframe_image,
)

__all__ = [
    "ClipFormat",
    "GeneratedClip",
    "Generator",
    "GeneratorConfig",
    "GeneratorRequest",
    "Rejected",
    "StageFailed",
    "keyframe_image",
]

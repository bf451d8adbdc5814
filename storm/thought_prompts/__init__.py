"""Teachers (prompt LLMs): write what a thought video has to show.

These names are all that a teacher of your own needs.
"""

from storm.errors import StageFailed
from storm.records import Rejected, ThoughtPrompt
from storm.thought_prompts.base import Teacher, TeacherConfig, TeacherRequest, TeacherSetup

__all__ = [
    "Rejected",
    "StageFailed",
    "Teacher",
    "TeacherConfig",
    "TeacherRequest",
    "TeacherSetup",
    "ThoughtPrompt",
]

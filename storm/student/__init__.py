"""The student: a vision-language model with a bounded latent rollout between question and answer.

    student = Student.from_pretrained(folder)
    student.answer(["game.mp4"], ["Which cup hides the ball?"], [["cup 1", "cup 2"]])[0].text

Names load torch and transformers when they are first used; configurations don't.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from storm.student.batch import Batch
    from storm.student.example import Example, VideoTokens, prompt_of
    from storm.student.generate import Answer, AttentionMap
    from storm.student.importing import PretrainedConfig
    from storm.student.interventions import (
        HideLatents,
        HideVideo,
        Intervention,
        Mean,
        Noise,
        Oracle,
        Permute,
        Reinsert,
        RemoveAll,
        Replace,
        Swap,
        Truncate,
        Zero,
    )
    from storm.student.jacobi import Jacobi
    from storm.student.latent_head import LatentConfig
    from storm.student.predictor import Answering, Question, Reply
    from storm.student.rollout import Mixed, StudentOutput
    from storm.student.student import Student
    from storm.student.tiny.tiny import TinyConfig

_HOMES = {
    "predictor": ("Answering", "Question", "Reply"),
    "batch": ("Batch",),
    "example": ("Example", "VideoTokens", "prompt_of"),
    "generate": ("Answer", "AttentionMap"),
    "interventions": (
        "RemoveAll",
        "Replace",
        "HideLatents",
        "HideVideo",
        "Intervention",
        "Reinsert",
        "Mean",
        "Noise",
        "Oracle",
        "Permute",
        "Swap",
        "Truncate",
        "Zero",
    ),
    "jacobi": ("Jacobi",),
    "latent_head": ("LatentConfig",),
    "importing": ("PretrainedConfig",),
    "rollout": ("Mixed", "StudentOutput"),
    "student": ("Student",),
    "tiny.tiny": ("TinyConfig",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "Answering",
    "AttentionMap",
    "Batch",
    "Example",
    "HideLatents",
    "HideVideo",
    "Intervention",
    "Jacobi",
    "LatentConfig",
    "Mean",
    "Mixed",
    "Noise",
    "Oracle",
    "Permute",
    "PretrainedConfig",
    "Question",
    "Reinsert",
    "RemoveAll",
    "Replace",
    "Reply",
    "Student",
    "StudentOutput",
    "Swap",
    "TinyConfig",
    "Truncate",
    "VideoTokens",
    "Zero",
    "prompt_of",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)

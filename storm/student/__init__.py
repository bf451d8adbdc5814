"""The student: a vision-language model with a bounded latent rollout between question and answer.

    student = Student.from_pretrained(folder)
    student.answer(["game.mp4"], ["Which cup hides the ball?"], [["cup 1", "cup 2"]])[0].text

Importing the package loads no torch; a name loads its module when it is first used.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the only list of the public names: `_modules` reads it too
    from storm.student.attention_map import AttentionMap as AttentionMap
    from storm.student.batch import Batch as Batch
    from storm.student.example import Example as Example
    from storm.student.example import VideoTokens as VideoTokens
    from storm.student.example import prompt_of as prompt_of
    from storm.student.generate import Answer as Answer
    from storm.student.gradient import Gradient as Gradient
    from storm.student.importing import PretrainedConfig as PretrainedConfig
    from storm.student.interventions import HideLatents as HideLatents
    from storm.student.interventions import HideVideo as HideVideo
    from storm.student.interventions import Intervention as Intervention
    from storm.student.interventions import Mean as Mean
    from storm.student.interventions import Noise as Noise
    from storm.student.interventions import Oracle as Oracle
    from storm.student.interventions import Patch as Patch
    from storm.student.interventions import Permute as Permute
    from storm.student.interventions import Reinsert as Reinsert
    from storm.student.interventions import RemoveAll as RemoveAll
    from storm.student.interventions import Replace as Replace
    from storm.student.interventions import Swap as Swap
    from storm.student.interventions import Sweeps as Sweeps
    from storm.student.interventions import Truncate as Truncate
    from storm.student.interventions import Zero as Zero
    from storm.student.jacobi import Jacobi as Jacobi
    from storm.student.latent_head import LatentConfig as LatentConfig
    from storm.student.predictor import AnswerConfig as AnswerConfig
    from storm.student.predictor import Predictor as Predictor
    from storm.student.predictor import Question as Question
    from storm.student.predictor import Reply as Reply
    from storm.student.rollout import Mixed as Mixed
    from storm.student.rollout import StudentOutput as StudentOutput
    from storm.student.student import Student as Student
    from storm.student.tiny.tiny import TinyConfig as TinyConfig


@cache
def _modules() -> dict[str, str]:
    """Return the module of each public name, as the imports above say."""
    tree = ast.parse(inspect.getsource(sys.modules[__name__]))
    return {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(__name__)
        for alias in node.names
    }


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name.startswith("__") or name not in _modules():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_modules()[name]), name)
    return value


def __dir__() -> list[str]:
    """Return the public names, imported yet or not."""
    return sorted({*globals(), *_modules()})

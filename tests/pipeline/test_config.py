"""Components of a profile are looked up by their `kind`; problems keep the key's path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from storm.errors import ConfigError
from storm.keyframes.uniform import UniformSelector
from storm.pipeline.config import PipelineConfig
from storm.profiles import load
from storm.shell_game.phases import TextPhase
from storm.training.spec import PhaseConfig

PLUGIN = """
from typing import ClassVar, Literal

from storm.thought_prompts import TeacherConfig
from storm.training.spec import PhaseConfig


class LoudTeacher:
    class Config(TeacherConfig):
        kind: str = "loud"
        volume: int = 3

        def build(self, setup):
            raise NotImplementedError


class SilentPhase(PhaseConfig):
    reads: ClassVar[str] = "curriculum"
    objective: ClassVar[str] = "my_plugin:Objective"
    kind: Literal["silent"] = "silent"
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_plugin", raising=False)


def test_a_component_is_found_by_its_entry_point() -> None:
    config = load("smoke", ["keyframes={kind: uniform, k: 3}"])
    assert config.keyframes == UniformSelector.Config(k=3)
    assert isinstance(config.curriculum[1], TextPhase)


@pytest.mark.usefixtures("plugin")
def test_a_component_is_found_by_its_import_path() -> None:
    config = load("smoke", ["teacher={kind: 'my_plugin:LoudTeacher', volume: 11}"])
    assert (config.teacher.kind, config.teacher.volume) == ("loud", 11)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("kind", ["curriculum_text", "my_plugin:SilentPhase"])
def test_a_configuration_survives_json(kind: str) -> None:
    phase = f"curriculum=[{{kind: '{kind}', steps: 2, learning_rate: 0.1}}]"
    config = load("smoke", [phase])
    again = PipelineConfig.model_validate_json(config.model_dump_json())
    assert again.curriculum == config.curriculum
    assert isinstance(again.curriculum[0], PhaseConfig)
    assert again == config


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("teacher={kind: 'my_plugin:LoudTeacher', volume: much}", "teacher.volume: .*'much'"),
        ("teacher={kind: 'my_plugin:LoudTeacher', treble: 1}", "teacher.treble: unknown key"),
        ("teacher={kind: 'my_plugin:Nobody'}", "teacher.kind: .*has no attribute 'Nobody'"),
        ("teacher={kind: 'no_such_module:X'}", "teacher.kind: .*No module named"),
        ("teacher={}", "teacher: expected one of endpoint, .*found None"),
        ("teacher.kind=nobody", "teacher.kind: expected one of endpoint, .*found 'nobody'"),
        ("curriculum=[{kind: curriculum_text, step: 1}]", r"curriculum\.0\.step: unknown key"),
    ],
)
def test_a_wrong_component_is_one_line_that_names_the_key(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load("clips", [override, "videos.questions=q.json"])
    assert "\n" not in str(caught.value)


BLOCKED = """
import sys
from pathlib import Path


class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("storm.shell_game"):
            raise ImportError(f"{name} is gone")


sys.meta_path.insert(0, Blocker())
from storm.pipeline.assemble import assemble
from storm.profiles import load

graph = assemble(load("clips", ["videos.questions=" + sys.argv[1]]))
print(graph.stages[-1].title, "torch" in sys.modules)
"""


def test_the_shell_game_is_one_folder_that_can_be_deleted(tmp_path: Path) -> None:
    (tmp_path / "questions.json").write_text("[]")
    command: list[Any] = [sys.executable, "-c", BLOCKED, tmp_path / "questions.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["results", "False"]

"""Components are looked up by name or import path; one clear line says why there is none."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from storm import plugins
from storm.errors import ConfigError
from storm.plugins import Component, find, names
from storm.thought_videos import GeneratorConfig


class Section(BaseModel):
    selector: Annotated[Any, Component("storm.selectors", default="uniform")]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package that declares a selector and can't be imported."""
    entry = EntryPoint("broken", "no_such_package.selectors:Broken", "storm.selectors")
    installed = plugins._all("storm.selectors") | {"broken": entry}
    monkeypatch.setattr(plugins, "_all", lambda group: installed)


def test_a_name_and_an_import_path_find_the_same_class() -> None:
    by_name = find("storm.selectors", "uniform")
    assert by_name is find("storm.selectors", f"{by_name.__module__}:{by_name.__qualname__}")
    assert "uniform" in names("storm.selectors")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("best", "motion, packet_size, query, scenes, uniform"),
        ("no_such_package.selectors:Best", "No module named 'no_such_package'"),
        ("storm.keyframes.uniform:Best", "has no attribute 'Best'"),
        ("broken", "at 'broken', found ModuleNotFoundError: No module named 'no_such_package'"),
    ],
)
@pytest.mark.usefixtures("broken")
def test_what_is_not_there_is_one_line(name: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find("storm.selectors", name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_a_module_raises_when_it_is_imported_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising.py").write_text("raise OSError('first\\nsecond')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"at 'raising:Mine', found OSError: first second$"):
        find("storm.selectors", "raising:Mine")


@pytest.mark.parametrize("name", ["own_components:EchoTeacher", "own_components:np", "os:getcwd"])
def test_a_component_of_another_kind_is_refused(name: str) -> None:
    class Generators(BaseModel):
        generator: Annotated[GeneratorConfig, Component("storm.generators")]

    with pytest.raises(ValidationError, match=f"expected a GeneratorConfig .*: '{name}'"):
        Generators.model_validate({"generator": {"kind": name}})


@pytest.mark.usefixtures("broken")
def test_a_broken_package_does_not_disturb_others() -> None:
    assert "broken" in names("storm.selectors")
    assert find("storm.selectors", "uniform")
    assert "no_such_package" not in sys.modules


@pytest.mark.parametrize("settings", [{"kind": "best"}, {"kind": 3}, "uniform", 3])
def test_a_field_names_what_is_wrong_with_its_component(settings: object) -> None:
    with pytest.raises(ValidationError, match="selector"):
        Section.model_validate({"selector": settings})


def test_a_field_has_a_default_and_dumps_what_it_was_given() -> None:
    section = Section.model_validate({"selector": {}})
    assert section.model_dump()["selector"]["kind"] == "uniform"
    assert Section.model_validate(section.model_dump()) == section

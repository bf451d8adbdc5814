"""The README says what is true of the repository."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from storm.profiles import load, names

REPO = Path(__file__).parents[1]
_spec = importlib.util.spec_from_file_location("storm_readme", REPO / "tests" / "readme.py")
assert _spec is not None
assert _spec.loader is not None
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)
TEXT = readme.README.read_text()


def test_tree_is_current() -> None:
    current = readme.with_part(TEXT, "tree", readme.tree())
    assert current == TEXT, "write it anew with `python -m tests.readme`"


def test_commands_it_names_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^make ([a-z]+)", TEXT, re.M)) <= targets
    for flow in re.findall(r"python -m flows\.(\w+)", TEXT):
        assert (REPO / "flows" / f"{flow}.py").is_file()


def test_profiles_it_names_load() -> None:
    for name in set(re.findall(r"--profile (\w+)", TEXT)):
        assert name in names()
        load(name, ["videos.questions=q.json"] if name == "clips" else [])

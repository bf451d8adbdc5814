"""`import storm`: what it offers, and that it leaves the process as it was."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

import pytest

import storm

IMPORTED = """
import os, sys
before = dict(os.environ)
import storm
assert os.environ == before, {name for name in os.environ if name not in before}
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "prefect", "transformers", "numpy", "pydantic"}, loaded
storm.Store, storm.load_profile
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "prefect", "transformers"}, loaded
"""


def test_importing_storm_changes_nothing_and_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names() -> None:
    from storm import Store, Student, load_profile

    assert {"Store", "Student", "load_profile"} == set(storm.__all__) <= set(dir(storm))
    assert Store.__name__ == "Store"
    assert Student.__name__ == "Student"
    assert load_profile("smoke").name == "smoke"
    with pytest.raises(AttributeError, match="nope"):
        storm.nope  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_types_are_shipped() -> None:
    assert files("storm").joinpath("py.typed").is_file()

"""Stages made for tests live in tests/support: children unpickle them by module name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: pytest-xdist fills the cores

import pytest
from hypothesis import settings

from storm.artifacts.store import Store
from storm.process.environment import set_environment

set_environment()  # before the libraries load that read it

SUPPORT = str(Path(__file__).parent / "support")

sys.path.insert(0, SUPPORT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SUPPORT, os.environ.get("PYTHONPATH")]))

settings.register_profile("storm", deadline=None, max_examples=50)  # machines may be busy
settings.load_profile("storm")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of toy stages."""
    return Store(tmp_path / "root")


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Where toy stages note what they work on."""
    path = tmp_path / "diary"
    path.touch()
    return path

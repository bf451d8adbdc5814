"""Stages made for tests live in tests/support: children unpickle them by module name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

SUPPORT = str(Path(__file__).parent / "support")

sys.path.insert(0, SUPPORT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SUPPORT, os.environ.get("PYTHONPATH")]))

settings.register_profile("storm", deadline=None, max_examples=50)  # machines may be busy
settings.load_profile("storm")

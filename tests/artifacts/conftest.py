"""A finished chain of toy stages."""

from __future__ import annotations

import pytest
from toy_helpers import IDS, RUNTIME
from toy_stages import chain

from storm.artifacts.make import execute
from storm.artifacts.store import Store


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return a store with a finished chain of three shards; copy it before changing it."""
    store = Store(tmp_path_factory.mktemp("sealed"))
    execute(chain(IDS, shards=3), store, RUNTIME)
    return store

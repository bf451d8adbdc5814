"""The reasons for a stage to run name what differs from its newest artifact."""

from __future__ import annotations

import dataclasses

import pytest
from toy_helpers import IDS, RUNTIME
from toy_stages import Clips, Vectors, chain

from storm.artifacts.explain import reasons
from storm.artifacts.make import execute
from storm.artifacts.store import Store


@pytest.mark.integration
def test_reasons_name_what_differs(store: Store) -> None:
    vectors = chain(IDS, size=20, shards=2)
    assert list(reasons(vectors, store))[1:] == ["  nothing of this name was sealed before"]
    execute(vectors, store, RUNTIME)
    assert list(reasons(vectors, store)) == [
        f"toy_vectors is cached: {vectors.artifact(store).path.name}"
    ]
    wider = dataclasses.replace(vectors, width=4)
    assert "  width: 8 -> 4" in list(reasons(wider, store))
    longer = Vectors(clips=dataclasses.replace(vectors.clips, size=21))
    lines = list(reasons(longer, store))
    assert lines[0].startswith("toy_vectors has to run: ")
    assert any(line.startswith("  input clips: ") for line in lines)
    assert "      size: 20 -> 21" in lines
    next(vectors.artifact(store).path.glob("shard-*.arrow")).unlink()
    assert "1 files are damaged, first shard-" in next(iter(reasons(vectors, store)))


@pytest.mark.integration
def test_reasons_name_external_inputs_that_differ(store: Store) -> None:
    made, wanted = Clips(ids=("a",)), Clips(ids=("a", "b"))
    execute(made, store, RUNTIME)
    (line,) = [x for x in reasons(wanted, store) if x.startswith("  from outside: ")]
    assert line.endswith(f": {made.external_inputs()} -> {wanted.external_inputs()}")
    assert not any("from outside" in line for line in reasons(made, store))


@pytest.mark.integration
def test_reasons_name_the_version_of_the_rows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(Clips(ids=("a",)), store, RUNTIME)
    monkeypatch.setattr(Clips, "version", 2)
    assert "  version of its rows: 1 -> 2" in list(reasons(Clips(ids=("a",)), store))

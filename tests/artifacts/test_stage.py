"""A stage's identity: the same in every process, changed by what changes its rows, and by no more.

`golden_recipes.json` holds the recipe of every stage of the profile `smoke`. A test that fails
on it says: rows of artifacts out there are no longer reused. If that is meant, run

    STORM_UPDATE_GOLDEN=1 python -m pytest tests/artifacts/test_stage.py
"""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from toy_stages import Clips, Vectors, chain

from storm.artifacts.stage import Stage, canonical, runtime_field
from storm.errors import ConfigError
from storm.pipeline.assemble import assemble
from storm.profiles import load

ONE_STEP = "{kind: answer, feeding: rollout, steps: 1, learning_rate: 0.5, batch: 8}"
GOLDEN = Path(__file__).parent / "golden_recipes.json"

PRINT = """
import json
from storm.pipeline.assemble import assemble
from storm.profiles import load
print(json.dumps({s.title: [s.recipe, s.fingerprint()] for s in assemble(load("smoke"))}))
"""


def identities(hash_seed: str) -> Any:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    found = subprocess.run(
        [sys.executable, "-c", PRINT], env=environment, capture_output=True, check=True
    )
    return json.loads(found.stdout)


@pytest.fixture(scope="module")
def here() -> dict[str, list[str]]:
    return {s.title: [s.recipe, s.fingerprint()] for s in assemble(load("smoke"))}


@pytest.mark.integration
def test_identity_is_the_same_in_every_process(here: dict[str, list[str]]) -> None:
    assert identities("1") == here
    assert identities("2") == here


def test_recipes_are_golden(here: dict[str, list[str]]) -> None:
    found = {title: recipe for title, (recipe, _) in here.items()}
    if os.environ.get("STORM_UPDATE_GOLDEN"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    changed = sorted(t for t in found.keys() | golden if found.get(t) != golden.get(t))
    assert not changed, (
        f"the recipe of {', '.join(changed)} changed: its artifacts will be made again. If only "
        f"the rows changed for the same configuration, raise `version` of that stage instead of "
        f"touching its fields; then update the golden file with STORM_UPDATE_GOLDEN=1"
    )


def test_how_it_runs_is_no_identity(here: dict[str, list[str]]) -> None:
    how = [
        *("runtime.workers=7", "runtime.batch=3", "runtime.threads=2", "runtime.micro_batch=4"),
        *("shards.videos=5", "shards.stage_one=1", "name=other"),
    ]
    other = {s.title: [s.recipe, s.fingerprint()] for s in assemble(load("smoke", how))}
    assert other == here
    stage = Clips(ids=("a",))
    assert dataclasses.replace(stage, label="x", shards=3).fingerprint() == stage.fingerprint()
    assert dataclasses.replace(stage, quarantine_share=0.5).fingerprint() == stage.fingerprint()
    assert dataclasses.replace(stage, trouble={"a": "kill"}).fingerprint() == stage.fingerprint()


@pytest.mark.parametrize(
    ("override", "first", "untouched"),
    [
        ("keyframes.k=3", "keyframes", "base"),
        (f"training.stage_two=[{ONE_STEP}]", "stage_two", "stage_one"),
        ("videos.counts.test=9", "videos", "base"),
        ("max_new_tokens=9", "predictions", "stage_two"),
        ("seed=1", "videos", ""),
    ],
)
def test_what_is_made_is_identity(
    here: dict[str, list[str]], override: str, first: str, untouched: str
) -> None:
    graph = assemble(load("smoke", [override]))
    fingerprints = {s.title: s.fingerprint() for s in graph}
    assert fingerprints[first] != here[first][1]
    assert fingerprints["results"] != here["results"][1], "what is downstream changes too"
    if untouched:
        assert fingerprints[untouched] == here[untouched][1]


def test_more_videos_keep_the_recipe(here: dict[str, list[str]]) -> None:
    """So that the rows of those that were there are reused."""
    more = assemble(load("smoke", ["videos.counts.train=10"]))
    for title in ("videos", "keyframes", "thought_prompts", "thought_videos", "latent_targets"):
        assert more.find(title).recipe == here[title][0]
        assert more.find(title).fingerprint() != here[title][1]


def test_inputs_version_and_outside_files_enter_the_fingerprint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = chain(("a", "b"))
    again, wider = chain(("a", "b")), chain(("a", "b"), size=1)
    assert one.fingerprint() == again.fingerprint()
    assert (wider.recipe, wider.fingerprint() != one.fingerprint()) == (one.recipe, True)
    more = chain(("a", "b", "c"))
    assert more.clips.recipe == one.clips.recipe
    assert more.fingerprint() != one.fingerprint()
    monkeypatch.setattr(Vectors, "version", 2)
    assert chain(("a", "b")).recipe != one.recipe


def test_a_stage_keeps_its_identity_on_its_way_to_a_child() -> None:
    stage = chain(("a",), seconds=1.0)
    assert pickle.loads(pickle.dumps(stage)).fingerprint() == stage.fingerprint()


def test_a_value_without_canonical_form_is_an_error() -> None:
    class Config(BaseModel):
        x: int = 1

    assert canonical((Config(), {"a": None}, 1.5)) == [{"x": 1}, {"a": None}, 1.5]
    for value in ({1, 2}, Path("x"), b"x", object(), lambda: 1, [frozenset()]):
        with pytest.raises(TypeError, match="no canonical form for"):
            canonical(value)

    class OwnConfig(BaseModel):
        folder: Path

    with pytest.raises(ConfigError, match=r"lists or mappings in .*OwnConfig, found .*PosixPath"):
        canonical(OwnConfig(folder=Path("x")))
    with pytest.raises(TypeError, match="no canonical form for set"):
        _ = Clips(size={1}).recipe  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="JSON compliant"):
        _ = Clips(size=float("nan")).recipe  # type: ignore[arg-type]


def test_inputs_are_found_by_their_type() -> None:
    one, two = Clips(ids=("a",)), Clips(ids=("b",))

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Join(Clips):
        parts: tuple[Stage[Any], ...] = ()
        note: str = runtime_field("")

    join = Join(parts=(one, two))
    assert join.inputs == {"parts[0]": one, "parts[1]": two}
    assert join.configuration == {"size": 3000}
    assert Join(parts=(two, one)).fingerprint() != join.fingerprint()

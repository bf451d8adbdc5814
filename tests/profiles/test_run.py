"""A profile opened on a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from storm.errors import ConfigError, StoreError
from storm.profiles import Run


def test_a_run_holds_what_was_opened_and_how_to_open_it_again(tmp_path: Path) -> None:
    run = Run.open(tmp_path, "smoke", ["seed=3"])
    assert run.config.seed == 3
    assert run.store.root == tmp_path
    assert run.graph.find("results")
    assert run.options == ("--profile", "smoke", "--root", str(tmp_path), "--set", "seed=3")


def test_opening_makes_nothing(tmp_path: Path) -> None:
    Run.open(tmp_path / "none", "smoke")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Run.open(tmp_path, "nope")
    with pytest.raises(StoreError):
        Run.open("s3://bucket", "smoke")


def test_a_profile_that_extends_itself_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: {path}\n")
    with pytest.raises(ConfigError, match="extending itself"):
        Run.open(tmp_path, str(path))

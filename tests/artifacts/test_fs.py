"""Digests of files and folders; atomic writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storm.artifacts.fs import digest, renamed_into, sha256_tree, write_atomic
from storm.artifacts.hash_cache import cached_sha256_tree


def test_digest_refuses_values_without_a_canonical_form() -> None:
    assert digest({"b": [1, 2.5, None], "a": "é"}) == digest({"a": "é", "b": (1, 2.5, None)})
    for value in (float("nan"), {1, 2}, Path("x"), b"x"):
        with pytest.raises((TypeError, ValueError)):
            digest([value])


def test_sha256_of_a_folder_covers_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_text("1")
    before = sha256_tree(tmp_path)
    (tmp_path / "a" / "x").rename(tmp_path / "x")
    assert sha256_tree(tmp_path) != before


@pytest.mark.parametrize("sha256", [sha256_tree, cached_sha256_tree])
def test_sha256_of_a_folder_ignores_metadata_of_downloads(
    tmp_path: Path, sha256: Callable[[Path], str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = sha256(tmp_path)
    for name in (".git/HEAD", ".cache/huggingface/download/config.json.metadata", ".gitattributes"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("at 12:00")
    assert sha256(tmp_path) == before
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "config.json").write_text("{}")
    assert sha256(tmp_path) != before


def test_a_failed_write_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail_over_a_file() -> None:
        with renamed_into(path) as temporary:
            temporary.write_bytes(b"half of the n")
            raise RuntimeError

    def fail_over_a_folder() -> None:
        with renamed_into(tmp_path / "folder") as temporary:
            (temporary / "deep").mkdir(parents=True)
            raise RuntimeError

    for fail in (fail_over_a_file, fail_over_a_folder):
        with pytest.raises(RuntimeError):
            fail()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]

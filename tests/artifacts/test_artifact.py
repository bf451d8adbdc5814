"""A complete artifact is whole, and any damage to it is named."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from toy_stages import Clips

from storm.artifacts.artifact import Artifact
from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.errors import NotSealed, StoreError
from storm.records import ThoughtVideo
from storm.runtime import Runtime

IDS = ("a", "b", "c", "../../x", "-rf", "{}%s\n\0💥", "é" * 300)
STAGE = Clips(ids=IDS, size=10, shards=2)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sealed")
    execute(STAGE, Store(root), Runtime())
    return root


@pytest.fixture
def artifact(sealed: Path, tmp_path: Path) -> Artifact:
    """A copy that keeps all times."""
    shutil.copytree(sealed, tmp_path / "root")
    return STAGE.artifact(Store(tmp_path / "root"))


def change(path: Path, data: bytes) -> None:
    """New content at the same time, as a failing disk would do it."""
    stat = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_sealed_artifact_is_whole(artifact: Artifact) -> None:
    assert artifact.is_sealed()
    assert artifact.damaged(thorough=True) == []
    manifest = artifact.manifest()
    assert (manifest["rows"], manifest["quarantined"]) == (len(IDS), [])
    assert sorted(artifact.index()) == sorted(IDS), "rows hold ids as they are"
    assert {r.id for r in artifact.rows(ThoughtVideo)} == set(IDS)
    names = {p.name for p in artifact.path.iterdir()}
    assert not [n for n in names if ".tmp-" in n or n.endswith(".journal")]
    paths = artifact.path.parents[1].rglob("*")
    assert all(re.fullmatch(r"[\w.-]+", p.name, re.ASCII) for p in paths)


def test_without_a_manifest_nothing_is_read(artifact: Artifact) -> None:
    (artifact.path / "manifest.json").unlink()
    assert not artifact.is_sealed()
    with pytest.raises(NotSealed, match="toy_clips"):
        list(artifact.rows(ThoughtVideo))


@pytest.mark.parametrize("kind", ["missing", "truncated", "longer", "flipped", "swapped"])
@pytest.mark.parametrize("pattern", ["shard-*.arrow", "blobs/*/*"])
def test_damage_is_named(artifact: Artifact, kind: str, pattern: str) -> None:
    path, *others = sorted(artifact.path.glob(pattern))
    name = path.relative_to(artifact.path).as_posix()
    data = path.read_bytes()
    match kind:
        case "missing":
            path.unlink()
        case "truncated":
            change(path, data[:-1])
        case "longer":
            change(path, data + b"\0")
        case "flipped":
            change(path, data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
        case "swapped":
            other = next(o for o in others if o.read_bytes() != data)
            swapped = other.read_bytes()
            change(other, data)
            change(path, swapped)
    assert name in artifact.damaged(thorough=True)
    if path.exists() and path.stat().st_size == len(data):
        os.utime(path)  # an edited file has another time
    assert name in artifact.damaged(thorough=False)
    assert not artifact.is_sealed()


def test_rows_of_some_ids_read_only_their_shards(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = artifact.plan().items
    wanted = {item.id for item in planned if item.shard == 0}
    assert {r.id for r in artifact.rows(ThoughtVideo, wanted | {"unknown"})} == wanted
    made: list[str] = []
    check = ThoughtVideo.__post_init__
    monkeypatch.setattr(
        ThoughtVideo, "__post_init__", lambda row: (made.append(row.id), check(row))[1]
    )
    (one,) = artifact.rows(ThoughtVideo, [min(wanted)])
    assert made == [one.id], "the others never become objects"

    paths = artifact.shard_paths()
    assert len(paths) == 2
    for path in paths:
        data = path.read_bytes()
        path.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
        os.utime(path)
        if path == paths[0]:
            with pytest.raises(StoreError, match=paths[0].name):
                list(artifact.rows(ThoughtVideo, wanted))
            path.write_bytes(data)
    assert {r.id for r in artifact.rows(ThoughtVideo, wanted)} == wanted, "the other is not read"


def test_only_another_time_is_no_damage(artifact: Artifact) -> None:
    for path in artifact.path.rglob("*"):
        os.utime(path)
    assert artifact.damaged(thorough=False) == []
    assert artifact.is_sealed()


def test_a_flipped_bit_under_an_old_time_is_found_at_the_first_read(artifact: Artifact) -> None:
    path = artifact.shard_paths()[0]
    os.utime(path)  # or this process would remember its digest
    table = json.loads((artifact.path / "files.json").read_text())
    table[path.name]["mtime_ns"] = path.stat().st_mtime_ns
    (artifact.path / "files.json").write_text(json.dumps(table))
    data = path.read_bytes()
    change(path, data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    assert artifact.is_sealed(), "a glance does not show it"
    with pytest.raises(StoreError, match=rf"{path.name} .*verify --repair --root"):
        list(artifact.rows(ThoughtVideo))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["manifest.json", "files.json"])
@pytest.mark.parametrize("content", [None, b"", b"\0" * 50, b'{"format": 2'])
def test_a_lost_manifest_or_file_list_is_damage(
    artifact: Artifact, name: str, content: bytes | None
) -> None:
    if content is None:
        (artifact.path / name).unlink()
    else:
        (artifact.path / name).write_bytes(content)
    assert not artifact.is_sealed()
    if content == b"":
        execute(STAGE, Store(artifact.path.parents[1]), Runtime())
        assert artifact.is_sealed()


def test_an_artifact_of_an_older_format_is_refused(artifact: Artifact) -> None:
    path = artifact.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 1}))
    for use in (lambda: artifact.is_sealed(), artifact.index):
        with pytest.raises(StoreError, match=r"format 2 .*found 1"):
            use()

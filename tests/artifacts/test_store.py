"""Sealed means whole: every kind of damage is found, another format is refused, one lock wins."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sealed_by_hand import seal_by_hand
from toy_stages import Clips, chain

from storm.artifacts.artifact import Artifact, artifact_around
from storm.artifacts.fs import digest, renamed_into, sha256_tree, write_atomic
from storm.artifacts.hash_cache import cached_sha256_tree
from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.artifacts.store import upstream as upstream_of
from storm.errors import NotSealed, StoreError, WorkspaceBusy
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
    assert sorted(artifact.index()) == sorted(IDS), "ids stand in rows as they are"
    assert {r.id for r in artifact.rows(ThoughtVideo)} == set(IDS)
    names = {p.name for p in artifact.path.iterdir()}
    assert not [n for n in names if ".tmp-" in n or n.endswith(".journal")]
    paths = artifact.path.parents[1].rglob("*")
    assert all(re.fullmatch(r"[\w.-]+", p.name, re.ASCII) for p in paths)


def test_without_a_manifest_nothing_is_read(artifact: Artifact) -> None:
    (artifact.path / "manifest.json").unlink()
    assert not artifact.is_sealed()
    with pytest.raises(NotSealed, match=r"toy_clips is not finished .* run the flow again"):
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


def test_rows_of_some_ids_touch_their_shards_alone(
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
            with pytest.raises(StoreError, match="as it was written"):
                list(artifact.rows(ThoughtVideo, wanted))
            path.write_bytes(data)
    assert {r.id for r in artifact.rows(ThoughtVideo, wanted)} == wanted, "the other is not read"


def test_another_time_alone_is_no_damage(artifact: Artifact) -> None:
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
    with pytest.raises(StoreError, match=rf"{path.name} as it was written.*verify --repair --root"):
        list(artifact.rows(ThoughtVideo))


@pytest.mark.parametrize("name", ["manifest.json", "files.json"])
@pytest.mark.parametrize("content", [None, b"", b"\0" * 50, b'{"format": 2'])
def test_lost_books_are_damage(artifact: Artifact, name: str, content: bytes | None) -> None:
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
        with pytest.raises(StoreError, match=r"expected store format 2 in .*, found 1; use the"):
            use()


def test_digest_refuses_what_has_no_canonical_form() -> None:
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
def test_sha256_of_a_folder_leaves_out_what_a_download_keeps_books_in(
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


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
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


HOLD = """
import sys, time
from storm.artifacts.artifact import Artifact
from pathlib import Path
with Artifact(Path(sys.argv[1]), "videos", "f").lock("shard-00000"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(path)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_process_is_told_who_holds_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storm.artifacts.lock.GRACE_SECONDS", 0.3)
    artifact = Artifact(tmp_path, "videos", "f")
    with hold(tmp_path) as holder:
        try:
            with pytest.raises(WorkspaceBusy) as caught, artifact.lock("shard-00000"):
                pass
            with artifact.lock("shard-00001"):
                pass
            with pytest.raises(WorkspaceBusy):
                artifact.remove()
            assert tmp_path.exists()
        finally:
            holder.kill()
    text = str(caught.value)
    assert f"pid {holder.pid} on {socket.gethostname()} since {time.strftime('%Y-%m')}" in text
    assert caught.value.exit_code == 75


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    artifact = Artifact(tmp_path, "videos", "f")
    with hold(tmp_path) as holder:
        holder.send_signal(signal.SIGKILL)
    with artifact.lock("shard-00000"):
        assert f"pid {os.getpid()} " in (tmp_path / "shard-00000.lock").read_text()


def test_waiting_gets_the_lock_of_a_removed_folder(tmp_path: Path) -> None:
    """Whoever waits on a lock file that is removed must not share the lock with a newcomer."""
    artifact = Artifact(tmp_path / "x", "videos", "f")
    with artifact.lock("plan"):
        shutil.rmtree(artifact.path)
        with artifact.lock("plan") as newcomer:
            assert os.fstat(newcomer).st_ino == (artifact.path / "plan.lock").stat().st_ino


def test_an_address_is_no_root() -> None:
    with pytest.raises(StoreError, match=r"expected a folder .* found s3://bucket/x; mount"):
        Store("s3://bucket/x")


def test_a_root_where_nothing_can_be_written_is_one_line() -> None:
    with pytest.raises(StoreError, match=r"^expected a folder that .* /proc/nope/.* found No such"):
        execute(STAGE, Store("/proc/nope"), Runtime())


def test_a_file_system_without_locks_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.raises(StoreError, match=r"with file locks \(flock\) .* found No locks available"):
        execute(STAGE, Store(tmp_path), Runtime())


def test_stages_of_one_recipe_are_found(artifact: Artifact) -> None:
    store = Store(artifact.path.parents[1])
    assert [a.path for a in store.of_recipe("toy_clips", STAGE.recipe)] == [artifact.path]
    assert store.of_recipe("toy_clips", chain(IDS).recipe) == []


def test_manifests_lead_from_a_blob_to_what_it_was_made_from(tmp_path: Path) -> None:
    store = Store(tmp_path)
    clips = seal_by_hand(store, "clips")
    other = seal_by_hand(store, "other")
    targets = seal_by_hand(store, "targets", (), clips)
    one = seal_by_hand(store, "one", (), other, targets)
    two = seal_by_hand(store, "two", (), one, other)
    found = artifact_around(two.path / "checkpoint")
    assert (found.path, found.stage, found.fingerprint) == (two.path, "two", two.fingerprint)
    for expected in (one, other, targets, clips):
        upstream = upstream_of(found, expected.stage)
        assert (upstream.path, upstream.fingerprint) == (expected.path, expected.fingerprint)
    with pytest.raises(StoreError, match="expected two among the inputs of clips, found none"):
        upstream_of(clips, "two")
    with pytest.raises(NotSealed):
        artifact_around(tmp_path / "nowhere" / "checkpoint")
    shutil.rmtree(targets.path)
    with pytest.raises(NotSealed, match="targets is not finished"):
        upstream_of(found, "clips")

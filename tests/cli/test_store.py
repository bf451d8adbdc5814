"""`storm verify`, `storm quarantine`, `storm explain`: what is in the store, and why."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from storm.artifacts.fs import write_json
from storm.artifacts.make import execute
from storm.artifacts.store import Store
from storm.cli import main
from storm.errors import StageFailed
from storm.pipeline.assemble import assemble
from storm.profiles import load
from storm.runtime import Runtime
from storm.videos.decoding.encode import encode_mp4

pytestmark = pytest.mark.integration

FEW = ["videos.counts.train=2", "videos.counts.test=2"]


def run(capsys: pytest.CaptureFixture[str], root: Path, *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--root", str(root)])
    return int(end.value.code or 0), capsys.readouterr().out


def profile(*settings: str) -> list[str]:
    return ["--profile", "smoke", *(part for s in (*FEW, *settings) for part in ("--set", s))]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    execute(assemble(load("smoke", FEW)).find("keyframes"), Store(root), Runtime())
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    """Return a copy of a root whose keyframes are made."""
    return Path(shutil.copytree(made, tmp_path / "root"))


def test_verify_names_what_is_damaged(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, root, "verify") == (0, "2 artifacts read, 0 files damaged\n")
    path = next(root.glob("videos/*/blobs/*/*.mp4"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    lost = next(root.glob("keyframes/*/shard-*.arrow"))
    lost.unlink()
    code, out = run(capsys, root, "verify")
    assert (code, out.splitlines()) == (
        1,
        [f"damaged: {lost}", f"damaged: {path}", "2 artifacts read, 2 files damaged"],
    )
    code, out = run(capsys, root, "verify", "--json")
    assert json.loads(out) == {"artifacts": 2, "damaged": [str(lost), str(path)]}


@pytest.mark.parametrize("name", ["manifest.json", "plan.json", "files.json"])
@pytest.mark.parametrize("content", [b"", b"\0" * 99, b"[1]", b'{"format": 2, "a": 2}'])
def test_verify_reads_manifest_plan_and_file_list(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    if name == "manifest.json" and b"format" in content:
        content = content[:-1]
    path = next(root.glob(f"keyframes/*/{name}"))
    path.write_bytes(content)
    said = f"damaged: {path}\n2 artifacts read, 1 files damaged"
    assert run(capsys, root, "verify") == (1, f"{said}\n")
    assert run(capsys, root, "verify", "--repair") == (
        0,
        f"{said} and removed; run the flow again\n",
    )


def test_quarantine_lists_items_with_reasons(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(capsys, root, "quarantine", *profile()) == (0, "")
    path = next(root.glob("keyframes/*/manifest.json"))
    entry = {"id": "v", "reason": "damaged", "detail": "no end"}
    write_json(path, {**json.loads(path.read_text()), "quarantined": [entry]})
    code, out = run(capsys, root, "quarantine", *profile(), "--json")
    assert (code, json.loads(out)) == (0, [{"stage": "keyframes", **entry}])
    _, out = run(capsys, root, "quarantine", *profile())
    assert out.splitlines()[1].split() == ["keyframes", "v", "damaged", "no", "end"]


def test_quarantine_lists_what_a_stage_failed_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for n, frames in enumerate((8, 8, 1, 1)):
        encode_mp4(tmp_path / f"{n}.mp4", np.zeros((frames, 32, 32, 3), np.uint8), 12)
    lines = ["id,video,question,answer", *(f"q{n},{n}.mp4,what?,a ball" for n in range(4))]
    settings = ["--set", f"videos.questions={tmp_path / 'qa.csv'}", "--profile", "clips"]

    def listed() -> dict[str, str]:
        code, out = run(capsys, tmp_path / "artifacts", "quarantine", *settings, "--json")
        assert code == 0
        return {entry["id"]: entry["reason"] for entry in json.loads(out)}

    def fail() -> None:
        stage = assemble(load("clips", [settings[1]])).find("videos")
        with pytest.raises(StageFailed, match="`storm quarantine` lists all"):
            execute(stage, Store(tmp_path / "artifacts"), Runtime())

    (tmp_path / "qa.csv").write_text("\n".join(lines))
    fail()
    assert listed() == {"q2": "too_short", "q3": "too_short"}
    lines += [f"q{n},none.mp4,what?,a ball" for n in (4, 5)]
    (tmp_path / "qa.csv").write_text("\n".join(lines))
    fail()
    assert listed() == {"q4": "missing", "q5": "missing"}, "it fails before it decodes"


def test_explain_says_why(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, root, "explain", "keyframes", *profile())
    assert (code, out.split(":")[0]) == (0, "keyframes is cached")
    _, out = run(capsys, root, "explain", "keyframes", *profile("keyframes.k=3"))
    assert "  selector.k: " in out
    _, out = run(capsys, root, "explain", "keyframes", *profile("seed=9"))
    assert "  input videos: " in out
    assert "      seed: 0 -> 9" in out
    with pytest.raises(SystemExit) as end:
        main(["explain", "keyfames", *profile(), "--root", str(root)])
    assert end.value.code == 2
    assert "found 'keyfames'" in capsys.readouterr().err

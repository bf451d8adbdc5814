"""What is no video file, or is cut off, is named before a decoder sees it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.videos.reading import decode_all, fault_of


def test_what_is_no_file_is_never_opened(tmp_path: Path):
    assert fault_of(tmp_path / "nothing.mp4") == "missing"
    assert fault_of(tmp_path) == "not_a_file"
    os.mkfifo(tmp_path / "pipe.mp4")
    assert fault_of(tmp_path / "pipe.mp4") == "not_a_file"
    assert fault_of(Path("/dev/zero")) == "not_a_file"
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    assert fault_of(tmp_path / "loop.mp4") == "missing"
    assert fault_of(tmp_path / "a\0b.mp4") == "missing"


def test_what_is_no_video_is_named(tmp_path: Path):
    contents = {
        "empty_file": b"",
        "not_a_video": b"This is a text about a video.\n" * 50,
        "damaged": b"\0\0\0\x18ftypmp42" + b"\0" * 12,
    }
    for expected, content in contents.items():
        path = tmp_path / f"{expected}.mp4"
        path.write_bytes(content)
        assert fault_of(path) == expected
    path = tmp_path / "random.mp4"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    assert fault_of(path) == "not_a_video"
    path.write_text("#EXTM3U\n/etc/passwd\n")
    assert fault_of(path) == "not_a_video"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(film: Path, tmp_path: Path):
    path = tmp_path / "locked.mp4"
    path.write_bytes(film.read_bytes())
    path.chmod(0)
    assert fault_of(path) == "no_permission"


def test_every_cut_of_the_tail_is_noticed(film: Path, tmp_path: Path):
    data = film.read_bytes()
    path = tmp_path / "cut.mp4"
    for keep in (30, 100, len(data) // 3, len(data) // 2, len(data) - 100, len(data) - 1):
        path.write_bytes(data[:keep])
        assert fault_of(path) == "damaged", keep


@pytest.mark.parametrize("name", ["cut.mkv", "cut.avi", "fragments.mp4"])
def test_cut_tails_of_other_containers(tmp_path: Path, name: str, moving, write):
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "fragments.mp4" else {}
    path = write(tmp_path / name, moving(30), "libx264", **options)
    assert len(decode_all(path).pixels) == 30
    data = path.read_bytes()
    for share in (0.5, 0.9):
        path.write_bytes(data[: int(len(data) * share)])
        assert fault_of(path) == "damaged"


def test_a_cut_head_is_noticed(film: Path, tmp_path: Path):
    path = tmp_path / "headless.mp4"
    path.write_bytes(film.read_bytes()[500:])
    assert fault_of(path) == "not_a_video"

"""decord, an independent reader, sees the frames of whole files as `storm.videos` does.

It is no reader of the project: of damaged files it returns frames without an error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: F401 - decord loaded before it makes it crash

from storm.videos.decoding.decode import fetch_frames, interval_midpoints, probe


def compare(path: Path) -> None:
    import decord

    info = probe(path)
    reader = decord.VideoReader(str(path), num_threads=1)
    assert len(reader) == info.frames
    spans = reader.get_frame_timestamp(range(info.frames))
    starts = spans[:, 0] - spans[0, 0]
    assert starts == pytest.approx(np.array(info.pts_seconds), abs=2e-3)
    middles = interval_midpoints(info.duration_seconds, min(9, info.frames))
    wanted = sorted({info.nearest(time) for time in middles})
    theirs = reader.get_batch(wanted).asnumpy().astype(int)
    for verified in (False, True):
        ours = fetch_frames(path, info, wanted, verified=verified).pixels
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max(initial=0) <= 3, "more than the rounding of colours"


@pytest.mark.integration
def test_whole_files(film: Path, tmp_path: Path, moving, write):
    compare(film)
    groups = {"g": "20", "bf": "3", "sc_threshold": "0"}
    compare(write(tmp_path / "groups.mp4", moving(60), "libx264", x264=groups))
    compare(write(tmp_path / "vp9.webm", moving(26), "libvpx-vp9"))


@pytest.mark.integration
@pytest.mark.parametrize("name", ["mpeg4.avi", "h264.mkv", "h264.mov"])
def test_other_containers_of_other_sizes(tmp_path: Path, moving, write, name: str):
    codec = "mpeg4" if name.startswith("mpeg4") else "libx264"
    compare(write(tmp_path / name, moving(40, 90, 160), codec))

"""Clips cut by stream copy: what an edit list hides is neither shown nor missed."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.decode import verify_decodable
from tests.videos.reading import decode_all, decode_at


def trimmed(film: Path, path: Path, start_seconds: float, *, rest: bool) -> Path:
    """A clip cut by stream copy, off a key frame: an edit list hides what is before the cut.

    `rest`: all that was before it stays in the file, else what decoding needs.
    """
    with av.open(str(film)) as whole, av.open(str(path), "w") as cut:
        old = whole.streams.video[0]
        assert old.time_base is not None
        start, new = round(start_seconds / old.time_base), cut.add_stream_from_template(old)
        if not rest:
            whole.seek(start, stream=old)
        for packet in whole.demux(old):
            if packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - start, packet.dts - start
                packet.stream = new
                cut.mux(packet)
    return path


@pytest.mark.parametrize("rest", [False, True])
@pytest.mark.parametrize("seconds", [None, 0.5])
def test_a_clip_trimmed_off_a_key_frame_is_whole(
    tmp_path: Path, rest: bool, seconds: float | None, moving, write
):
    film = write(tmp_path / "film.mp4", moving(60), "libx264", x264={"g": "20", "bf": "2"})
    path = trimmed(film, tmp_path / "clip.mp4", 1.2, rest=rest)
    if seconds is not None:  # the edit list ends before the file does
        data = bytearray(path.read_bytes())
        at = data.index(b"elst") + 12
        data[at : at + 4] = struct.pack(">I", round(seconds * 1000))
        path.write_bytes(data)
    info = verify_decodable(path)
    shown = decode_all(path)
    assert info.frames == len(shown.pixels) == (30 if seconds is None else 13)
    assert np.array_equal(shown.pixels, decode_all(film).pixels[30:][: info.frames])
    assert shown.pts_seconds == tuple(i / 25 for i in range(info.frames))
    for asked in ([0.0, 0.2], [0.44, 0.48]):  # before the clip's first key frame, and after it
        sought, read = (decode_at(path, asked, verified=verified) for verified in (True, False))
        assert np.array_equal(sought.pixels, read.pixels)
        assert sought.pts_seconds == read.pts_seconds == tuple(asked)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UnreadableVideo, match="damaged"):
        verify_decodable(path)

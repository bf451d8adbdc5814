"""What the check calls good is good for every later stage, however it is read."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from storm.errors import UnreadableVideo
from storm.videos.decoding.probe import probe
from tests.videos.matrix import ALL, compare, films

SEEKABLE = ("libx264", "libx265", "mpeg2video", "libvpx-vp9")
# guessed times and pictures out of order: which ones lead the cut, nothing says
NOT_READ = {"libx264": {"open-cut.avi"}}


def check_all(folder: Path, codec: str, forms: int | None) -> dict[str, str]:
    """Return what is wrong with each film of a codec that is not read as it should be."""
    faults = {}
    for path in films(folder, codec, forms):
        try:
            fault = compare(path)
        except UnreadableVideo as error:
            fault = str(error)
        if fault:
            faults[path.name] = fault
    return faults


@pytest.mark.integration
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg2video", "mpeg4", "libvpx-vp9"])
def test_seeking_sampling_and_a_plain_pass_give_the_same_frames(tmp_path: Path, codec: str):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    assert check_all(tmp_path, codec, forms=2) == {}


@pytest.mark.long
@pytest.mark.parametrize("codec", list(ALL))
def test_in_every_container_too(tmp_path: Path, codec: str):
    if codec not in av.codecs_available:
        pytest.skip(f"this PyAV has no encoder {codec}")
    assert check_all(tmp_path, codec, forms=None).keys() == NOT_READ.get(codec, set())


@pytest.mark.integration
def test_seeking_is_used_where_it_leads_to_the_right_frames(tmp_path: Path):
    """Or the conformance of seeking would be that of reading in order."""
    for codec in SEEKABLE:
        if codec in av.codecs_available:
            kinds = {p.name: probe(p).seekable for p in films(tmp_path, codec, forms=1)}
            assert any(kinds.values()), kinds

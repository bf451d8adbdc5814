"""Every selector on real files; then what is special to each."""

from pathlib import Path

import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.keyframes.motion import MotionSelector, find_peaks
from storm.keyframes.uniform import UniformSelector
from storm.videos.decode import decode_all
from storm.videos.encode import encode_mp4, unjpeg
from storm.world.render import render
from storm.world.scene import World, sample_scenes

CLIPS = Path(__file__).resolve().parents[2].parent / "shared" / "clips"
WORLD = World()


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    path = tmp_path_factory.mktemp("game") / "game.mp4"
    encode_mp4(path, render(sample_scenes(WORLD, "test", 1, seed=0)[0], WORLD), WORLD.fps)
    return path


@pytest.fixture(params=[MotionSelector, UniformSelector])
def kind(request):
    return request.param


def test_a_row_of_real_frames_in_order(kind, game):
    row = kind.Config(k=12).build("cpu").select("v", game)
    clip = decode_all(game)
    assert (row.id, len(row.images), row.duration_seconds) == ("v", 12, 4.5)
    assert set(row.pts_seconds) <= set(clip.pts_seconds)
    for pts, image in zip(row.pts_seconds, row.images):
        true = clip.frames[clip.pts_seconds.index(pts)].astype(int)
        assert np.abs(unjpeg(image) - true).mean() < 3


def test_same_file_same_row(kind, game):
    assert kind.Config().build("cpu").select("v", game) == kind.Config().build("cpu").select(
        "v", game
    )


def test_a_clip_of_fewer_frames_than_k(kind, tmp_path):
    path = tmp_path / "short.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)
    encode_mp4(path, frames, 10)
    assert len(kind.Config(k=16).build("cpu").select("v", path).images) == 3


def test_a_still_clip(kind, tmp_path):
    path = tmp_path / "still.mp4"
    encode_mp4(path, np.full((40, 64, 64, 3), 90, np.uint8), 10)
    row = kind.Config(k=8).build("cpu").select("v", path)
    assert len(row.images) == 8
    assert np.diff(row.pts_seconds).max() < 1.1
    assert "motion_peak" not in row.reasons


def test_no_video_is_an_error_with_a_reason(kind, tmp_path):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"")
    with pytest.raises(UnreadableVideo, match="empty_file"):
        kind.Config().build("cpu").select("v", path)


@pytest.mark.parametrize("name", ["bikes.mp4", "rotated90.mov", "unordered.mov", "peppers.mp4"])
def test_real_clips(kind, name):
    if not CLIPS.is_dir():
        pytest.skip("the real clips are not here")
    row = kind.Config().build("cpu").select("v", CLIPS / name)
    assert 3 <= len(row.images) <= 16
    assert max(unjpeg(row.images[0]).shape) <= 512


def test_motion_finds_the_reveal_and_every_swap(game):
    row = MotionSelector.Config().build().select("v", game)
    peaks = [p for p, r in zip(row.pts_seconds, row.reasons) if r == "motion_peak"]
    assert [int(p / 0.5) for p in peaks] == list(range(9))
    assert (row.reasons[0], row.reasons[-1]) == ("first", "last")
    assert row.reasons.count("rest") == 16 - 9 - 2


def test_motion_keeps_the_strongest_events_when_there_is_no_room(game):
    row = MotionSelector.Config(k=6).build().select("v", game)
    assert row.reasons.count("motion_peak") == 4
    assert len(row.images) == 6


def test_motion_finds_planted_events_in_a_large_clip_within_two_frames(tmp_path):
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 200, (24, 40, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    frames = np.stack([ground] * 90)
    planted = (20, 45, 70)
    for middle in planted:
        for t in range(middle - 5, middle + 6):
            x = 40 * (t - middle + 5)
            size = 160 - 20 * abs(t - middle)
            frames[t, 100 : 100 + size, 60 + x : 60 + x + size] = (255, 0, 255)
    path = tmp_path / "planted.mp4"
    encode_mp4(path, frames, 30)
    row = MotionSelector.Config(k=8).build().select("v", path)
    found = [p * 30 for p, r in zip(row.pts_seconds, row.reasons) if r == "motion_peak"]
    assert len(found) == 3
    assert np.abs(np.array(found) - planted).max() <= 2


def test_motion_measures_a_long_clip_sparsely_and_takes_the_same_events(game):
    dense = MotionSelector.Config().build().select("v", game)
    sparse = MotionSelector.Config(max_frames=40).build().select("v", game)
    assert sparse.reasons.count("motion_peak") >= 7
    assert unjpeg(sparse.images[0]).shape == unjpeg(dense.images[0]).shape


def test_cuts_of_a_real_clip_become_keyframes():
    if not CLIPS.is_dir():
        pytest.skip("the real clips are not here")
    row = MotionSelector.Config().build().select("v", CLIPS / "bikes.mp4")
    shots = [round(p * 25) for p, r in zip(row.pts_seconds, row.reasons) if r == "shot"]
    assert shots == [30, 76, 137, 187, 242]


def test_peaks_and_prominences():
    signal = np.array([0, 3, 1, 5, 5, 2, 4, 0], float)
    assert find_peaks(signal) == [(1, 2.0), (3, 5.0), (6, 2.0)]

"""Every selector on real files; then what is special to each."""

from itertools import pairwise

import numpy as np
import pytest

from storm.errors import UnreadableVideo
from storm.keyframes.base import Selection, fill_with_coverage
from storm.keyframes.motion import MotionSelector
from storm.keyframes.packet_size import PacketSizeSelector
from storm.keyframes.query import QuerySelector, relevance
from storm.keyframes.scenes import ScenesSelector
from storm.keyframes.uniform import UniformSelector
from storm.shell_game.render import render
from storm.shell_game.scene import World, sample_scenes
from storm.videos.decoding.encode import encode_mp4, unjpeg
from tests.videos.reading import decode_all, rotate

WORLD = World()


@pytest.fixture(scope="module")
def game(tmp_path_factory):
    path = tmp_path_factory.mktemp("game") / "game.mp4"
    encode_mp4(path, render(sample_scenes(WORLD, "test", 1, seed=0)[0], WORLD), WORLD.fps)
    return path


@pytest.fixture(
    params=[MotionSelector, UniformSelector, ScenesSelector, PacketSizeSelector, "query"]
)
def make(request):
    """Settings to a selector."""
    if request.param != "query":
        return lambda **settings: request.param.Config(**settings).build("cpu")
    model = str(request.getfixturevalue("siglip"))
    return lambda **settings: QuerySelector.Config(model=model, **settings).build("cpu")


def test_a_row_of_real_frames_in_order(make, game):
    row = make(k=12).select("v", game, questions=["which cup?"])
    clip = decode_all(game)
    assert (row.id, len(row.images), row.duration_seconds) == ("v", 12, 4.5)
    assert set(row.pts_seconds) <= set(clip.pts_seconds)
    for pts, image in zip(row.pts_seconds, row.images):
        true = clip.pixels[clip.pts_seconds.index(pts)].astype(int)
        assert np.abs(unjpeg(image) - true).mean() < 3


def test_same_file_same_row_known_whole_or_not(make, game):
    asked = ["which cup?"]
    row = make().select("v", game, questions=asked)
    assert row == make().select("v", game, questions=asked)
    assert row == make().select("v", game, verified=True, questions=asked)


def test_a_clip_of_fewer_frames_than_k(make, tmp_path):
    path = tmp_path / "short.mp4"
    frames = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3)).astype(np.uint8)
    encode_mp4(path, frames, 10)
    assert len(make(k=16).select("v", path).images) == 3


@pytest.mark.parametrize("size", [(64, 64), (16, 16), (2, 640)])
def test_a_still_clip(make, tmp_path, size):
    path = tmp_path / "still.mp4"
    encode_mp4(path, np.full((40, *size, 3), 90, np.uint8), 10)
    row = make(k=8).select("v", path)
    assert len(row.images) == 8
    assert np.diff(row.pts_seconds).max() < 1.1
    assert "motion_peak" not in row.reasons


def test_no_video_is_an_error_with_a_reason(make, tmp_path):
    path = tmp_path / "empty.mp4"
    path.write_bytes(b"")
    with pytest.raises(UnreadableVideo, match="empty_file"):
        make().select("v", path)


def test_a_rotated_video_is_upright_and_scaled_down(make, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (9, 90, 160, 3)).astype(np.uint8)
    frames = frames.repeat(4, 1).repeat(4, 2)
    encode_mp4(tmp_path / "wide.mp4", frames, 10)
    path = rotate(tmp_path / "wide.mp4", tmp_path / "rotated.mp4", 1)
    row = make().select("v", path)
    assert 3 <= len(row.images) <= 16
    assert unjpeg(row.images[0]).shape[:2] == (512, 288)


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


def test_motion_fetches_again_what_it_can_not_hold(game, monkeypatch):
    held = MotionSelector.Config().build().select("v", game)
    monkeypatch.setattr("storm.keyframes.motion._HELD_BYTES", 1000)
    assert MotionSelector.Config().build().select("v", game) == held


def test_motion_of_a_long_clip_has_onsets_and_ends(tmp_path):
    """Three bursts, and no rest state looked for."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 200, (12, 20, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    frames, planted = np.stack([ground] * 120), (20, 60, 100)
    for middle in planted:
        for t in range(middle - 6, middle + 7):
            x = 10 * (t - middle + 6) if t < middle else 60 + 12 * (t - middle)
            frames[t, 50 : 130 - 4 * abs(t - middle), 40 + x : 100 + x] = (255, 0, 255)
    path = tmp_path / "planted.mp4"
    encode_mp4(path, frames, 30)
    row = MotionSelector.Config(k=16, rest_frames=4).build().select("v", path)
    at = {
        r: [round(p * 30) for p, q in zip(row.pts_seconds, row.reasons) if q == r]
        for r in ("motion_onset", "motion_peak", "motion_end")
    }
    for middle in planted:
        assert min(abs(p - middle) for p in at["motion_peak"]) <= 7
    assert at["motion_onset"]
    assert at["motion_end"]
    assert row.reasons.count("coverage") >= 2


@pytest.mark.integration
def test_cuts_become_keyframes(tmp_path):
    """Six shots of textured grounds of their own colors, each panned by a pixel a frame."""
    path, cuts = tmp_path / "shots.mp4", (30, 76, 137, 187, 242)
    rng, frames = np.random.default_rng(0), []
    for start, end in pairwise((0, *cuts, 250)):
        tiles = rng.integers(30, 200, 3) + rng.integers(-20, 20, (96, 320, 3))
        ground = np.kron(tiles, np.ones((2, 2, 1))).astype(np.uint8)
        frames += [ground[:, t : t + 320] for t in range(end - start)]
    encode_mp4(path, np.stack(frames), 25)
    for selector in (MotionSelector.Config().build(), PacketSizeSelector.Config().build()):
        row = selector.select("v", path)
        shots = [round(p * 25) for p, r in zip(row.pts_seconds, row.reasons) if r == "shot"]
        assert set(shots) >= set(cuts)
    middles = ScenesSelector.Config(k=6).build().select("v", path)
    shots = [round(p * 25) for p, r in zip(middles.pts_seconds, middles.reasons) if r == "shot"]
    assert shots == [15, 53, 106, 162, 214, 246]


def test_query_takes_what_stands_out_and_leaves_the_rest_to_motion(siglip, game):
    selector = QuerySelector.Config(model=str(siglip), k=8, margin=2.0).build()
    motion = MotionSelector.Config(k=8).build().select("v", game)
    assert selector.select("v", game).pts_seconds == motion.pts_seconds  # nothing was asked
    selector.similarity = lambda frames, _: np.eye(len(frames))[:, [30]]  # one frame fits
    row = selector.select("v", game, questions=["where?"])
    assert row.reasons.count("query") == 1
    assert len(row.images) == 8
    selector.similarity = lambda frames, _: np.linspace(0.2, 0.3, len(frames))[:, None]  # weak
    assert selector.select("v", game, questions=["where?"]).reasons == motion.reasons


def test_relevance_is_relative_to_the_video(siglip, game):
    flat = np.full((8, 1), 0.9)
    assert not relevance(flat).any()
    one = np.array([[0.1, 0.5]] * 9 + [[0.1, 0.9]])
    assert relevance(one).argmax() == 9
    assert relevance(one)[9] == pytest.approx(3)
    frames = decode_all(game).pixels[:5]
    found = QuerySelector.Config(model=str(siglip), batch=2).build().similarity(frames, ["a", "b"])
    assert found.shape == (5, 2)
    assert np.abs(found).max() <= 1


def test_fast_takes_regular_key_frames_for_no_cuts():
    from storm.keyframes.packet_size import _cuts

    assert [c.index for c in _cuts([0, 60, 120, 180])] == []
    assert [c.index for c in _cuts([0, 60, 95, 155, 215])] == [95]
    assert [c.index for c in _cuts([0, 30, 76])] == [30, 76]
    assert _cuts([0]) == []


def test_gaps_are_filled_at_the_ends_too():
    times = np.arange(11) / 10
    filled = fill_with_coverage([Selection(5, "shot", 1.0)], times, 3)
    assert sorted(c.index for c in filled) == [2, 5, 8] or len(filled) == 3
    assert len(fill_with_coverage([Selection(0, "first", 1.0)], times, 99)) == 11

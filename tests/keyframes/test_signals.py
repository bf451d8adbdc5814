"""Peaks, cuts and the signals they are found in."""

import cv2
import numpy as np

from storm.keyframes.event_frames import strongest
from storm.keyframes.peaks import Peak, apart, find_peaks, smoothed
from storm.keyframes.shots import find_cuts
from storm.keyframes.signals import _change, _histograms
from storm.keyframes.static_reference import distance_from_reference


def test_peaks_and_prominences():
    signal = np.array([0, 3, 1, 5, 5, 2, 4, 0], float)
    found = [(p.index, p.prominence) for p in find_peaks(signal, top=0.0)]
    assert found == [(1, 2.0), (3, 5.0), (6, 2.0)]


def test_the_middle_of_a_noisy_top_and_its_feet():
    signal = np.array([0, 0, 1, 8, 9.5, 9, 10, 8.5, 9, 1, 0, 0, 0])
    assert find_peaks(signal)[1:2] == [Peak(5, 10.0, 3, 8)]


def test_what_is_near_a_stronger_one_is_left_out():
    times = np.arange(30) / 10
    peaks = [Peak(10, 3.0, 9, 11), Peak(12, 2.0, 11, 13), Peak(20, 1.0, 19, 21)]
    assert [p.index for p in apart(peaks, times, 0.25, {22})] == [10]
    assert [p.index for p in apart(peaks, times, 0.15, ())] == [10, 12, 20]


def test_smoothing_keeps_place_and_sum():
    signal = np.zeros(41)
    signal[20] = 1
    for box in (False, True):
        soft = smoothed(signal, np.arange(41) / 30, 0.2, box)
        assert soft[20] == soft.max()
        assert abs(soft.sum() - 1) < 1e-9
        assert 0.1 < soft.max() < 0.3


def test_a_picture_of_one_colour_counts_all_its_pixels():
    black = np.zeros((256, 256), np.uint8)
    counts = _histograms((black[None], black[None, ::2, ::2], black[None, ::2, ::2]))
    counts = counts[0].reshape(3, 16)
    assert counts[:, 0].tolist() == [65536, 16384, 16384]
    assert counts.sum() == 65536 + 2 * 16384


def test_cuts_are_found_and_a_fade_and_a_flash_are_none():
    rng = np.random.default_rng(0)
    colours = rng.dirichlet(np.ones(16), (3, 3)) * 1000
    shots = np.concatenate([[shot] * 10 for shot in colours]).reshape(30, 48)
    assert [c.index for c in find_cuts(shots.astype(np.uint16))] == [10, 20]
    steps = np.linspace(0, 1, 9)[:, None]
    fade = (1 - steps) * shots[0] + steps * shots[10]
    faded = np.concatenate([shots[:10], fade, shots[10:20]]).astype(np.uint16)
    assert find_cuts(faded) == []
    flash = np.concatenate([shots[:10], shots[10:11], shots[:10]]).astype(np.uint16)
    assert find_cuts(flash) == []


def planes(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return frames, frames[:, ::2, ::2] // 2 + 64, frames[:, ::2, ::2] // 3 + 80


def test_a_shift_of_the_camera_is_no_change():
    ground = np.random.default_rng(0).uniform(0, 255, (120, 160)).astype(np.float32)
    ground = cv2.GaussianBlur(ground, (0, 0), 8)
    ground = (ground - ground.min()) / np.ptp(ground) * 255
    shifted = np.stack([ground[40:80, 40 + x : 104 + x] for x in (0, 1)]).astype(np.uint8)
    still = np.zeros((2, 20, 32), np.uint8)
    moved = shifted.copy()
    moved[1, 10:20, 10:20] += 60
    assert _change((shifted, still, still))[0] < 1
    assert _change((moved, still, still))[0] > 5


def test_rest_is_what_a_clip_comes_back_to_again_and_again():
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 200, (10, 16)), np.ones((5, 5))).astype(np.uint8)
    back = np.stack([ground] * 48)
    back[np.arange(48) % 6 > 2, 10:30, 20:50] = 250
    distance = distance_from_reference(planes(back), 0.1)
    assert distance is not None
    assert ((distance > distance.max() / 2) == (np.arange(48) % 6 > 2)).all()
    away = back.copy()
    away[24:, 5:40, 5:70] = 255 - ground[5:40, 5:70]  # it stays another picture
    assert distance_from_reference(planes(away), 0.1) is None


def test_a_peak_on_the_top_of_another_is_no_second_frame():
    signal = np.array([0, 10, 7, 9.5, 7, 7, 0, 0, 5, 0])
    peaks = find_peaks(signal)
    assert [p.index for p in peaks] == [3, 3, 8]
    assert strongest(peaks, 0.15, 0.0, ()) == [peaks[0], peaks[2]]

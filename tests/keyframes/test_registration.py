import cv2
import numpy as np
import pytest

from storm.keyframes.static_reference import register_to_reference, whole_pixel_shifts


def picture(seed=0, size=64):
    noise = np.random.default_rng(seed).uniform(0, 255, (size, size, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip((smooth - smooth.mean()) * 6 + 128, 0, 255).astype(np.uint8)


def shifted(image, dy, dx):
    matrix = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-6, 6), (1, 5)])
def test_whole_shifts_are_found_exactly(shift):
    image = picture().mean(2)
    assert whole_pixel_shifts(shifted(image, *shift)[None], image, 6)[0].tolist() == list(shift)


def test_half_pixels_are_found_though_half_of_the_picture_moves():
    image, other = picture(0), picture(1)
    shifts = [(0, 0), (0, 0), (0, 0), (2.5, -1.5), (-3.5, 0.5), (0, 4), (0, 0)]
    frames = [shifted(image, *s) for s in shifts]
    frames[3][20:50, 20:50] = other[20:50, 20:50]
    found = register_to_reference(np.stack(frames), 6)
    assert np.abs(found.shifts_px - np.array(shifts)).max() <= 0.5
    assert found.difference.argmax() == 3
    assert found.difference[3] > 5 * np.delete(found.difference, 3).max()

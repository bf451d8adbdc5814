"""Contact sheets: the keyframes of one video in one image, with times and reasons."""

from __future__ import annotations

import numpy as np

from storm.records import Keyframes

_LINE_PX = 18


def contact_sheet(keyframes: Keyframes, columns: int = 4, width_px: int = 256) -> np.ndarray:
    """Draw keyframes `width_px` wide, each with its time, reason and score below.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2
    from PIL import Image, ImageDraw

    from storm.videos.decoding.encode import unjpeg

    frames = [unjpeg(image) for image in keyframes.images]
    height_px = round(width_px * frames[0].shape[0] / frames[0].shape[1])
    columns = min(columns, len(frames))
    rows = -(-len(frames) // columns)
    sheet = Image.new("RGB", (columns * width_px, rows * (height_px + _LINE_PX)), "white")
    draw = ImageDraw.Draw(sheet)
    cells = zip(frames, keyframes.pts_seconds, keyframes.reasons, keyframes.scores, strict=True)
    for n, (frame, seconds, reason, score) in enumerate(cells):
        x, y = n % columns * width_px, n // columns * (height_px + _LINE_PX)
        small = cv2.resize(frame, (width_px, height_px), interpolation=cv2.INTER_AREA)
        sheet.paste(Image.fromarray(small), (x, y))
        draw.text((x + 4, y + height_px + 3), f"{seconds:.2f} s  {reason}  {score:.2f}", "black")
    return np.asarray(sheet)

"""A strip of pictures: for each latent slot the nearest thought-video frame and its distance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from storm.latent_targets.nearest import NearestFrame

_WIDTH, _LINE, _GAP = 160, 18, 8  # of a frame, of a line of text, between frames; pixels


def save_strip(path: Path, neighbours: Sequence[NearestFrame]) -> None:
    """Write the frames side by side as a PNG.

    Args:
        path: File to write.
        neighbours: One per slot; its number goes above the frame, distance and question below.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=12)
    sizes = [(_WIDTH, round(_WIDTH * n.frame.shape[0] / n.frame.shape[1])) for n in neighbours]
    height = max(tall for _, tall in sizes)
    canvas = Image.new(
        "RGB", (len(neighbours) * (_WIDTH + _GAP) + _GAP, height + 3 * _LINE + 2 * _GAP), "white"
    )
    draw = ImageDraw.Draw(canvas)
    for column, (neighbour, size) in enumerate(zip(neighbours, sizes, strict=True)):
        left, top = _GAP + column * (_WIDTH + _GAP), _GAP
        draw.text((left, top), f"slot {neighbour.slot + 1}", "black", font)
        frame = Image.fromarray(neighbour.frame).resize(size, Image.Resampling.LANCZOS)
        canvas.paste(frame, (left, top + _LINE))
        below = top + _LINE + height
        draw.text((left, below), f"distance {neighbour.distance:.3f}", "black", font)
        draw.text((left, below + _LINE), neighbour.question_id[:22], "dimgray", font)
    canvas.save(path, format="PNG")

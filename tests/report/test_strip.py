"""The strip of frames nearest to latents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from storm.latent_targets.nearest import NearestFrame
from storm.report.strip import save_strip


def test_frames_are_side_by_side_in_the_order_of_slots(tmp_path: Path) -> None:
    colors = ((255, 0, 0), (0, 0, 255))
    neighbors = [
        NearestFrame(
            slot=slot,
            distance=0.5,
            question_id="q" * 40,
            frame=np.full((32, 64, 3), color, np.uint8),
        )
        for slot, color in enumerate(colors)
    ]
    save_strip(tmp_path / "strip.png", neighbors)
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    middle = strip[8 + 18 + 40]
    assert tuple(middle[8 + 80]) == colors[0]
    assert tuple(middle[8 + 168 + 80]) == colors[1]
    assert strip.shape[1] == 2 * (160 + 8) + 8

"""Mistakes in a teacher's script, for studies of what wrong thought videos cost."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools

import numpy as np

from storm.shell_game.scene import Pair
from storm.shell_game.script import Script


def confuse(script: Script, one: Pair, other: Pair) -> Script:
    """Return a script in which two swaps have changed places with each other, every time."""
    mistaken = {one: other, other: one}
    beats = tuple(pair and mistaken.get(pair, pair) for pair in script.beats)
    return dataclasses.replace(script, beats=beats)


def replace_swaps(script: Script, share: float, seed: int, question_id: str) -> Script:
    """Return a script in which each swap is another one with a probability of `share`.

    The draws follow from seed and question, and a larger share adds to the mistakes of a smaller.
    """
    name = hashlib.sha256(question_id.encode()).digest()[:8]
    rng = np.random.default_rng([seed, int.from_bytes(name, "big")])
    pairs = list(itertools.combinations(range(1, script.cups + 1), 2))
    draws = [(rng.random(), int(rng.integers(1, len(pairs)))) for _ in script.beats]
    beats = tuple(
        pairs[(pairs.index(pair) + step) % len(pairs)] if pair and draw < share else pair
        for pair, (draw, step) in zip(script.beats, draws, strict=True)
    )
    return dataclasses.replace(script, beats=beats)

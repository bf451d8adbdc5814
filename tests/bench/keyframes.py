"""What keyframes find, and what they cost: one thread, four planted videos together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch  # noqa: F401 - decord loaded before it makes it crash

from storm.keyframes.base import Selection
from storm.keyframes.motion import MotionSelector
from storm.keyframes.packet_size import PacketSizeSelector
from storm.keyframes.scenes import ScenesSelector
from storm.keyframes.signals import measure
from storm.keyframes.uniform import UniformSelector
from storm.videos.decoding.decode import (
    decode_in_order,
    fetch_frames,
    interval_midpoints,
)
from storm.videos.decoding.probe import probe
from tests.bench.measure import Figure, Pair, Row
from tests.keyframes.planted import KINDS, plant

VIDEOS = 10  # planted ones for each k


def recall(folder: Path) -> Iterator[Row]:
    """Planted events found within two frames; half of the videos have a variable frame rate."""
    for k in (4, 8, 16):
        seeds = range(10_000 + 100 * k, 10_000 + 100 * k + VIDEOS)
        videos = [plant(folder / f"{k}-{seed}.mp4", seed, k - 2) for seed in seeds]
        selectors = {
            "motion": MotionSelector.Config(k=k).build(),
            "packet_size": PacketSizeSelector.Config(k=k).build(),
            "PySceneDetect middles": ScenesSelector.Config(k=k).build(),
            "uniform": UniformSelector.Config(k=k).build(),
        }
        for name, selector in selectors.items():
            found: dict[str, list[bool]] = {kind: [] for kind in KINDS}
            for video in videos:
                times = selector.select("v", video.path).pts_seconds
                for event in video.events:
                    found[event.kind].append(video.found(times, event))
            kinds = ", ".join(f"{kind} {sum(f)}/{len(f)}" for kind, f in found.items())
            share = float(np.mean([hit for hits in found.values() for hit in hits]))
            at_least = 0.9 if name == "motion" and k > 4 else -math.inf
            print(f"  {name}, k = {k}: {kinds}")
            yield Figure(name=f"recall: {name}, k = {k}", value=share, at_least=at_least)


def speed(folder: Path) -> Iterator[Row]:
    """Keyframes of videos against only decoding them."""
    import decord

    cv2.setNumThreads(1)
    paths = [plant(folder / f"{n}.mp4", n, 6).path for n in range(4)]
    infos = {path: probe(path) for path in sorted(paths)}
    motion, packet_size = MotionSelector.Config().build(), PacketSizeSelector.Config().build()

    def decode(path: Path) -> None:
        for _ in decode_in_order(path, infos[path]):
            pass

    def choose(path: Path) -> list[Selection]:
        info, config = probe(path), motion.config
        frames = decode_in_order(path, info)
        signals = measure(frames, info.frames, config.edge_px, config.rest_frames)
        return motion.choose(signals, np.array(info.pts_seconds))

    def choose_by_size(path: Path) -> list[Selection]:
        return packet_size.choose(probe(path))

    def adaptive(path: Path) -> None:
        from scenedetect import AdaptiveDetector, detect

        detect(str(path), AdaptiveDetector())

    def asked(path: Path) -> list[int]:
        middles = interval_midpoints(infos[path].duration_seconds, 18)
        return [infos[path].nearest(t) for t in middles]

    def seek(path: Path) -> None:
        fetch_frames(path, infos[path], asked(path), 512, verified=True)

    def by_decord(path: Path) -> None:
        size = infos[path].geometry(512)
        reader = decord.VideoReader(
            str(path), num_threads=1, width=size.width_px, height=size.height_px
        )
        reader.get_batch(asked(path)).asnumpy()

    def of_all(call: Callable[[Path], object]) -> Callable[[], None]:
        def of_each() -> None:
            for path in infos:
                call(path)

        return of_each

    def select(selector: Any) -> Callable[[Path], object]:
        return lambda path: selector.select("v", path, verified=True)

    for name, selector, other, at_least in (
        ("motion, choice only / decoding", choose, decode, 0.75),
        ("motion / decoding", select(motion), decode, 0.6),
        ("motion / AdaptiveDetector", select(motion), adaptive, 1.0),
        ("packet_size, choice only / decoding", choose_by_size, decode, 2.0),
        ("packet_size / decoding", select(packet_size), decode, -math.inf),
        ("18 frames by seeking / by decord", seek, by_decord, -math.inf),
    ):
        yield Pair(
            name=f"frames a second: {name}", a=of_all(other), b=of_all(selector), at_least=at_least
        )


CASES = (recall, speed)

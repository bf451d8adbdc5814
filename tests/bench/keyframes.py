"""What keyframes find, and what they cost.

Costs are CPU seconds of one thread on planted videos, the best of some rounds, all sides in turn.
The targets hold for all videos together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

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
    verify_decodable,
)
from storm.videos.decoding.probe import probe
from tests.bench.measure import Row, at_least
from tests.keyframes.planted import KINDS, plant

ROUNDS = 3
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
            target = 0.9 if name == "motion" and k > 4 else 0.0
            yield at_least("recall", f"{name}, k = {k}: {kinds}", share, target)


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
        times = info.pts_seconds
        signals = measure(
            decode_in_order(path, info), times, config.edge_px, config.flow_hz, config.rest_frames
        )
        return motion.choose(signals, np.array(times))

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

    sides: dict[str, Callable[[Path], object]] = {
        "decode": decode,
        "check": verify_decodable,
        "motion, choice alone": choose,
        "motion": lambda path: motion.select("v", path),
        "packet_size": lambda path: packet_size.select("v", path, verified=True),
        "packet_size, choice only": lambda path: packet_size.choose(probe(path)),
        "AdaptiveDetector": adaptive,
        "18 frames by seeking": seek,
        "18 frames by decord": by_decord,
    }
    cost = {(path, name): _cpu_seconds(sides[name], path) for path in infos for name in sides}
    print(f"{'frames a CPU second':<24}" + "".join(f"{name:>22}" for name in sides))
    for path, info in infos.items():
        rates = [info.frames / cost[path, name] for name in sides]
        size = f"{path.stem} {info.width_px}x{info.height_px}"
        print(f"{size:<24}" + "".join(f"{rate:>22,.0f}" for rate in rates))
    total = {name: sum(cost[path, name] for path in infos) for name in sides}
    for name, against, target in (
        ("motion, choice alone", "decode", 0.6),
        ("motion", "decode", 0.0),
        ("motion", "AdaptiveDetector", 1.0),
        ("packet_size, choice only", "decode", 2.0),
        ("packet_size", "decode", 0.0),
        ("18 frames by seeking", "18 frames by decord", 0.0),
    ):
        ratio = total[against] / total[name]
        yield at_least("keyframe speed", f"{name} / {against}, frames a second", ratio, target)


def _cpu_seconds(call: Callable[[Path], object], path: Path) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        call(path)
        best = min(best, time.process_time() - began)
    return best


CASES = (recall, speed)

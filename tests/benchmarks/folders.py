"""Small data sets in the layouts that the hub has, with rendered videos and invented questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from storm.videos.decoding.encode import encode_mp4, jpeg
from tests.benchmarks.docs import caption_doc, doc_of

FRAMES = np.random.default_rng(0).integers(0, 255, (8, 32, 32, 3), np.uint8)
SRT = """1
00:00:00,000 --> 00:00:01,000
<font color="white" size=".72c">first words</font>

2
00:00:01,000 --> 00:00:02,500
<font color="white" size=".72c">later words</font>
"""


def video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    encode_mp4(path, FRAMES, fps=4)


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def videomme(root: Path) -> None:
    """Three videos, two questions each; one has subtitles, one another ending, one is missing."""
    rows = [
        doc_of("videomme", videoID=f"v{n // 2}", question_id=f"{n // 2}-{n % 2}", duration=length)
        for n, length in enumerate(["short", "short", "medium", "medium", "long", "long"])
    ]
    parquet(root / "videomme/test-00000-of-00001.parquet", rows)
    video(root / "data/v0.mp4")
    video(root / "data/v1.mp4")
    (root / "data/v1.mp4").rename(root / "data/v1.MP4")
    (root / "subtitle").mkdir()
    (root / "subtitle/v0.srt").write_text(SRT)


def mvbench(root: Path, revision: str) -> None:
    """Four tasks: with bounds, without, frames, and the one whose videos are not distributed."""
    bounds = {"start": 0.5, "end": 1.5}
    tasks = {
        "action_sequence": doc_of("mvbench", video="s.mp4", **bounds),
        "state_change": doc_of("mvbench", video="p.mp4"),
        "episodic_reasoning": doc_of("mvbench", video="show/clip_1", **bounds),
        "fine_grained_pose": doc_of("mvbench", video="pose.mp4"),
    }
    for task, row in tasks.items():
        as_json(root / f"json/{task}.json", [row])
    if revision == "video":
        video(root / "star/Charades_segment/s.mp4")
        video(root / "perception/videos/p.mp4")
        frames = root / "tvqa/video_fps3_hq_segment/show/clip_1"
    else:
        video(root / "video/star/Charades_v1_480/s.mp4")
        video(root / "video/perception/videos/p.mp4")
        frames = root / "video/tvqa/frames_fps3_hq/show/clip_1"
    frames.mkdir(parents=True)
    for n in range(6):
        (frames / f"{n + 1:05d}.jpg").write_bytes(jpeg(FRAMES[n]))


TEMPCOMPASS = {
    "multi-choice": doc_of("multi-choice"),
    "yes_no": doc_of("yes_no"),
    "caption_matching": caption_doc(0),
    "captioning": doc_of("captioning"),
}


def tempcompass(root: Path) -> None:
    for task, row in TEMPCOMPASS.items():
        parquet(root / f"{task}/test-00000-of-00001.parquet", [row, {**row, "video_id": "gone"}])
    video(root / "videos/1.mp4")


def tempcompass_official(root: Path) -> None:
    for task, row in TEMPCOMPASS.items():
        asked = {name: row[name] for name in ("question", "answer")}
        as_json(root / f"questions/{task}.json", {"1": {row["dim"]: [asked]}})
    video(root / "videos/1.mp4")


def mmvu(root: Path) -> None:
    rows = [
        doc_of("mmvu", id="validation_0"),
        doc_of("mmvu_open", id="validation_1", video="https://host/x/main/videos/Art/0.mp4"),
        doc_of("mmvu", id="validation_2", video_path="videos/Law/9.mp4"),
    ]
    rows[1].pop("video_path")
    as_json(root / "validation.json", rows)
    video(root / "videos/Art/0.mp4")

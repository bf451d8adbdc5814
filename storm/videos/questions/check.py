"""What a question set holds before anything runs, and what a run would reject."""

from __future__ import annotations

import functools
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm.errors import ChildFailed, UnreadableVideo
from storm.process.worker_pool import WorkerPool
from storm.records import Rejected, VideoSample
from storm.videos.decoding.prefetch import MAX_MEMORY_BYTES
from storm.videos.questions.sources import QuestionSource


@dataclass(frozen=True)
class VideoSummary:
    """What `storm check` says about one readable video."""

    container: str
    codec: str
    duration_seconds: float
    fps: float
    height_px: int
    width_px: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class QuestionSetReport:
    """What a question set holds.

    Attributes:
        samples: Questions whose video is readable.
        rejected: Questions that a run would quarantine.
        videos: The readable videos by id.
        size_bytes: Size of the readable videos.
        images: Questions about images, which a run leaves out.
        every_frame_decoded: Whether more than the packets and one frame were read.
        quarantine_share: Share of the questions that a run may lose.
    """

    samples: list[VideoSample]
    rejected: list[Rejected]
    videos: dict[str, VideoSummary]
    size_bytes: int
    images: int
    every_frame_decoded: bool
    quarantine_share: float

    @property
    def questions(self) -> int:
        """The number of questions, good or rejected."""
        return len(self.samples) + len(self.rejected)

    @property
    def passes(self) -> bool:
        """Whether a run would go on, by the rule of stages."""
        lost = len(self.rejected)
        few = lost <= self.quarantine_share * self.questions or (lost <= 1 and self.questions > 1)
        return bool(self.samples) and few

    def as_json(self, examples: int) -> dict[str, Any]:
        """Return the report as JSON, with this many examples of each reason."""
        videos = self.videos.values()
        by_reason: dict[str, list[Rejected]] = defaultdict(list)
        for question in self.rejected:
            by_reason[question.reason].append(question)
        return {
            "questions": self.questions,
            "good": len(self.samples),
            "image_questions_left_out": self.images,
            "splits": _counts(s.split for s in self.samples),
            "open_questions": sum(not s.options for s in self.samples),
            "videos": len(videos),
            "bytes": self.size_bytes,
            "duration_seconds": _spread([v.duration_seconds for v in videos]),
            "fps": _spread([v.fps for v in videos]),
            "resolutions": _counts(f"{v.width_px}x{v.height_px}" for v in videos),
            "codecs": _counts(v.codec for v in videos),
            "containers": _counts(v.container for v in videos),
            "same_bytes": self.same_bytes(),
            "notes": self.notes(),
            "rejected": {
                reason: {
                    "questions": len(group),
                    "samples": [{"id": r.id, "detail": r.detail} for r in group[:examples]],
                }
                for reason, group in sorted(by_reason.items(), key=lambda item: -len(item[1]))
            },
            "every_frame_decoded": self.every_frame_decoded,
            "quarantine_share": self.quarantine_share,
            "would_pass": self.passes,
        }

    def notes(self) -> dict[str, list[str]]:
        """Return the videos with something odd that harms no picture, by its slug."""
        found: dict[str, list[str]] = defaultdict(list)
        for name, video in self.videos.items():
            for note in video.notes:
                found[note].append(name)
        return dict(found)

    def same_bytes(self) -> list[list[str]]:
        """Return groups of videos that are one file under several names."""
        names: dict[str, set[str]] = defaultdict(set)
        for sample in self.samples:
            names[sample.video_sha256].add(sample.video_id)
        return [sorted(group) for group in names.values() if len(group) > 1]


def check_questions(
    source: QuestionSource,
    *,
    decode: bool,
    workers: int,
    share: float,
    timeout_seconds: float = 120,
) -> QuestionSetReport:
    """Read the entries, and every video in child processes.

    Args:
        source: The question set.
        decode: Decode every frame, as a run does; else read only the packets and one frame.
        workers: Child processes.
        share: Share of the questions that a run may lose.
        timeout_seconds: For one video.

    Raises:
        DataError: If the question set as a whole can't be read.
    """
    samples, rejected, root, images = source.samples()
    paths = {s.video_id: root / s.video_path for s in samples}
    videos: dict[str, VideoSummary] = {}
    faults: dict[str, UnreadableVideo] = {}
    with WorkerPool[Path, VideoSummary](
        functools.partial(summarize_video, decode=decode),
        workers=workers,
        timeout_seconds=timeout_seconds,
        memory_bytes=MAX_MEMORY_BYTES,
    ) as pool:
        futures = {name: pool.submit(paths[name]) for name in sorted(paths)}
        for name, future in futures.items():
            try:
                videos[name] = future.result()
            except UnreadableVideo as fault:
                faults[name] = fault
            except ChildFailed as end:
                faults[name] = UnreadableVideo(end.reason, f"{paths[name]}: {end}")
    for sample in samples:
        if (fault := faults.get(sample.video_id)) is not None:
            rejected.append(Rejected(id=sample.id, reason=fault.reason, detail=fault.detail))
    return QuestionSetReport(
        samples=[s for s in samples if s.video_id in videos],
        rejected=rejected,
        videos=videos,
        size_bytes=sum(paths[name].stat().st_size for name in videos),
        images=images,
        every_frame_decoded=decode,
        quarantine_share=share,
    )


def summarize_video(path: Path, *, decode: bool) -> VideoSummary:
    """Probe a video or decode all of it; runs in a worker process."""
    from storm.videos.decoding.decode import verify_decodable
    from storm.videos.decoding.probe import probe

    info = (verify_decodable if decode else probe)(path)
    return VideoSummary(
        container=info.container,
        codec=info.codec,
        duration_seconds=round(info.duration_seconds, 3),
        fps=round(info.fps, 3),
        height_px=info.height_px,
        width_px=info.width_px,
        notes=info.notes,
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda item: (-item[1], item[0])))


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    spread = {"least": min(values), "median": statistics.median(values), "most": max(values)}
    return {name: round(value, 3) for name, value in spread.items()} | {
        "sum": round(sum(values), 3)
    }

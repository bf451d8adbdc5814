"""A look at a question set before anything runs: what is there, and what would be refused."""

from __future__ import annotations

import statistics
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storm.artifacts.stage import OnEvent
from storm.errors import ChildFailed, UnreadableVideo
from storm.process.run_child import Event, run_child
from storm.records import Rejected, VideoSample
from storm.videos.questions.sources import Questions


@dataclass(frozen=True)
class Finding:
    """What a question set holds. `problems` are questions that a run would refuse."""

    samples: list[VideoSample]
    problems: list[Rejected]
    videos: dict[str, dict[str, Any]]  # of each readable one, by id: what `probe` says
    decoded: bool  # whether every frame was looked at
    share: float  # of questions that a run may lose
    bytes_: int  # of the readable videos
    images: int  # questions on pictures, which a run leaves out

    @property
    def questions(self) -> int:
        return len(self.samples) + len(self.problems)

    @property
    def passes(self) -> bool:
        """Whether a run would go on: as a stage decides it."""
        bad = len(self.problems)
        few = bad <= self.share * self.questions or (bad <= 1 and self.questions > 1)
        return bool(self.samples) and few

    def as_json(self, samples: int) -> dict[str, Any]:
        """JSON of it all, with so many samples of each problem."""
        found = self.videos.values()
        by_reason: dict[str, list[Rejected]] = defaultdict(list)
        for problem in self.problems:
            by_reason[problem.reason].append(problem)
        return {
            "questions": self.questions,
            "good": len(self.samples),
            "image_questions_left_out": self.images,
            "splits": _counts(s.split for s in self.samples),
            "open_questions": sum(not s.options for s in self.samples),
            "videos": len(self.videos),
            "bytes": self.bytes_,
            "duration_seconds": _spread([v["duration_seconds"] for v in found]),
            "fps": _spread([v["fps"] for v in found]),
            "resolutions": _counts(f"{v['width_px']}x{v['height_px']}" for v in found),
            "codecs": _counts(v["codec"] for v in found),
            "containers": _counts(v["container"] for v in found),
            "same_bytes": self.same_bytes(),
            "problems": {
                reason: {
                    "questions": len(several),
                    "samples": [{"id": p.id, "detail": p.detail} for p in several[:samples]],
                }
                for reason, several in sorted(by_reason.items(), key=lambda x: -len(x[1]))
            },
            "every_frame_decoded": self.decoded,
            "quarantine_share": self.share,
            "would_pass": self.passes,
        }

    def same_bytes(self) -> list[list[str]]:
        """Groups of videos that are one file under several names."""
        names: dict[str, set[str]] = defaultdict(set)
        for sample in self.samples:
            names[sample.video_sha256].add(sample.video_id)
        return [sorted(group) for group in names.values() if len(group) > 1]


def check_questions(
    source: Questions, *, decode: bool, workers: int, share: float, stall_seconds: float = 120
) -> Finding:
    """Read the entries and look at every video, in child processes.

    `decode`: every frame, as a run does before it lets a video in; else only the packets and one
    frame. Raises `DataError` if the question set as a whole can't be read.
    """
    samples, problems, root, images = source.samples()
    paths = {s.video_id: root / s.video_path for s in samples}
    found: dict[str, dict[str, Any]] = {}

    def note(event: Event) -> None:
        if "video" in event:
            found[event["video"]] = event

    names = sorted(paths)
    parts = [names[n::workers] for n in range(min(workers, len(names)))]
    with tempfile.TemporaryDirectory() as logs, ThreadPoolExecutor(max(1, len(parts))) as threads:
        jobs = [
            threads.submit(
                _look,
                {name: str(paths[name]) for name in part},
                decode,
                Path(logs) / f"{number}.log",
                stall_seconds,
                note,
            )
            for number, part in enumerate(parts)
        ]
        for job in jobs:
            job.result()
    readable = {name: found[name] for name in names if "reason" not in found[name]}
    for sample in samples:
        if (bad := found[sample.video_id]) and "reason" in bad:
            problems.append(Rejected(id=sample.id, reason=bad["reason"], detail=bad["detail"]))
    return Finding(
        samples=[s for s in samples if s.video_id in readable],
        problems=problems,
        videos=readable,
        decoded=decode,
        share=share,
        bytes_=sum(paths[name].stat().st_size for name in readable),
        images=images,
    )


def _look(
    paths: dict[str, str], decode: bool, log: Path, stall_seconds: float, note: OnEvent
) -> None:
    """Look at videos in a child; one that kills it is named, and a new child takes the rest."""
    pending = dict(paths)

    def follow(event: Event) -> None:
        pending.pop(event["video"], None)
        note(event)

    while pending:
        try:
            run_child(
                look_at_videos,
                (pending, decode),
                on_event=follow,
                log=log,
                stall_seconds=stall_seconds,
            )
        except ChildFailed as death:  # videos come in order: it was at the first that is left
            name = next(iter(pending))
            follow({"video": name, "reason": death.reason, "detail": f"{paths[name]}: {death}"})


def look_at_videos(paths: dict[str, str], decode: bool, emit: OnEvent) -> None:
    """One event for each video, in order. Runs in a child process."""
    from storm.videos.decoding.decode import check, probe

    for name, path in paths.items():
        try:
            info = (check if decode else probe)(path)
        except UnreadableVideo as error:
            emit({"video": name, "reason": error.reason, "detail": error.detail})
            continue
        emit(
            {
                "video": name,
                "container": info.container,
                "codec": info.codec,
                "duration_seconds": round(info.duration_seconds, 3),
                "fps": round(info.fps, 3),
                "height_px": info.height_px,
                "width_px": info.width_px,
            }
        )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda found: (-found[1], found[0])))


def _spread(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    found = {"least": min(values), "median": statistics.median(values), "most": max(values)}
    return {name: round(value, 3) for name, value in found.items()} | {"sum": round(sum(values), 3)}

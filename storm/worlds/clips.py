"""The base's own videos as arrays, and the truth about them: one `Clips` a world."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from storm.artifacts.fs import digest, write_json
from storm.errors import DataError, UnreadableVideo
from storm.videos.decoding.sampling import FrameSampling
from storm.videos.frames import VideoFrames
from storm.worlds.phases import CurriculumFiles
from storm.worlds.registry import WORLDS
from storm.worlds.scenes import Scene, split_of
from storm.worlds.world import Film, World

_SCENE = TypeAdapter(Scene)


@dataclass(frozen=True)
class Clips:
    """Frames and truth of N videos of one world.

    Attributes:
        scenes: The truth, one for each video.
        frames: (N, 2 * (beats + 1), H, W, 3) uint8; two frames of each beat.
        pts_seconds: (N, 2 * (beats + 1)); the time of each frame.
        thoughts: (N, 2 * beats, H, W, 3) uint8; two frames of the state after each event.
        film: The form of the videos.
    """

    world: World
    scenes: Sequence[Scene]
    frames: np.ndarray
    pts_seconds: np.ndarray
    thoughts: np.ndarray
    film: Film

    @property
    def states(self) -> np.ndarray:
        """(N, beats + 1): the state at the start and after each event."""
        stories = [scene.story for scene in self.scenes]
        return np.array([[story.start, *self.world.follow(story)] for story in stories])

    @property
    def events(self) -> np.ndarray:
        """(N, beats): the event of each beat."""
        return np.array([scene.story.events for scene in self.scenes])

    @property
    def settings(self) -> np.ndarray:
        """(N, states) of 0 or 1: whether a state's place belongs to the setting."""
        places = np.zeros((len(self.scenes), len(self.world.states)), np.int64)
        for row, scene in zip(places, self.scenes, strict=True):
            row[list(scene.story.setting)] = 1
        return places

    @property
    def thought_pts_seconds(self) -> tuple[float, ...]:
        """The times of a thought video's frames, two in a beat."""
        return tuple(self.film.beat_seconds / 2 * i for i in range(self.thoughts.shape[1]))


def check_sampling(sampling: FrameSampling, film: Film) -> None:
    """Raise DataError unless two frames of each beat are sampled."""
    if sampling.frames != 2 * (film.beats + 1):
        raise DataError(
            f"expected two sampled frames for each beat and the start, found "
            f"{sampling.frames = } for {film.beats = }"
        )


def clips_of(
    world: World,
    scenes: Mapping[str, Scene],
    videos: Mapping[str, VideoFrames],
    film: Film,
    sampling: FrameSampling,
) -> Clips:
    """Return the clips of the scenes that have a video; thought videos are drawn from the truth."""
    ids = [id for id in scenes if id in videos]
    if not ids:
        raise DataError(f"expected videos of {world.name} that can be read, found none")
    thoughts = []
    for id in ids:
        scene = scenes[id]
        drawn = world.render_thought(scene.story, scene.look, film.size_px, 2 * film.beats)
        thoughts.append(sampling.resize(drawn))
    return Clips(
        world,
        [scenes[id] for id in ids],
        np.stack([videos[id].pixels for id in ids]),
        np.array([videos[id].pts_seconds for id in ids]),
        np.stack(thoughts),
        film,
    )


def load_clips(files: CurriculumFiles, work_dir: Path) -> list[Clips]:
    """Decode the base videos, or read what an earlier phase decoded."""
    check_sampling(files.sampling, files.film)
    truth = read_truth(files)
    loaded = []
    for name, scenes in truth.items():
        kept = _decoded(files, name, scenes, work_dir / "clips" / name)
        loaded.append(clips_of(WORLDS[name], scenes, kept, files.film, files.sampling))
    return loaded


def read_truth(files: CurriculumFiles) -> dict[str, dict[str, Scene]]:
    """Return the scenes of the videos in `files`, by world and video id.

    Raises:
        DataError: If a line is no scene, or a scene is of another split.
    """
    truth: dict[str, dict[str, Scene]] = {}
    for number, line in enumerate(files.truth.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            world, scene = WORLDS[row["world"]], _SCENE.validate_python(row["scene"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise DataError(
                f'expected {{"video_id", "world", "scene"}} in line {number} of {files.truth}, '
                f"found {error}"
            ) from None
        split = split_of(world, scene.story.events)
        if split != "base":
            raise DataError(
                f"expected only scenes of the split 'base', found {row['video_id']!r} of "
                f"{split!r} in {files.truth}"
            )
        truth.setdefault(world.name, {})[row["video_id"]] = scene
    if not truth:
        raise DataError(f"expected scenes of the base videos in {files.truth}, found none")
    return truth


def _decoded(
    files: CurriculumFiles, name: str, scenes: Mapping[str, Scene], folder: Path
) -> dict[str, VideoFrames]:
    """Return the sampled frames of the videos that can be read, by id; kept in `folder`."""
    wanted = digest([files.model_dump(mode="json"), name])
    note = folder / "clips.json"
    kept = json.loads(note.read_text()) if note.exists() else None
    if kept is None or kept["of"] != wanted:
        found: dict[str, VideoFrames] = {}
        for id in scenes:
            with suppress(UnreadableVideo):
                found[id] = files.sampling.sample(files.videos[id], verified=True)
        if not found:
            raise DataError(f"expected videos of {name} that can be read, found none")
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / "frames.npy", np.stack([clip.pixels for clip in found.values()]))
        np.save(folder / "pts.npy", np.array([clip.pts_seconds for clip in found.values()]))
        kept = {"of": wanted, "ids": list(found)}
        write_json(note, kept)
    frames, pts = np.load(folder / "frames.npy", mmap_mode="r"), np.load(folder / "pts.npy")
    return {
        id: VideoFrames(frames[i], tuple(pts[i].tolist()), 0.0) for i, id in enumerate(kept["ids"])
    }

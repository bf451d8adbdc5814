"""The base's own videos, decoded once, and the truth about them.

Only scenes of the split `base` are accepted. See-through clips are rendered from the truth. The
frames of both are kept in `work_dir/clips`, so that the next phase needn't decode them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from storm.artifacts.fs import digest, write_json
from storm.errors import DataError, UnreadableVideo
from storm.shell_game.phases import CurriculumFiles
from storm.shell_game.render import render_thought
from storm.shell_game.scene import Scene, World, split_of
from storm.shell_game.script import script_of
from storm.videos.decoding.sampling import FrameSampling

_SCENE = TypeAdapter(Scene)


@dataclass(frozen=True)
class BaseClips:
    """Frames and truth of N base videos.

    Attributes:
        scenes: The truth, one for each video.
        frames: (N, 2 * (beats + 1), H, W, 3) uint8; two frames of the reveal and each beat.
        pts_seconds: (N, 2 * (beats + 1)); the time of each frame.
        thoughts: (N, 2 * beats, H, W, 3) uint8; two see-through frames after each beat.
        world: The rules of the game.
    """

    scenes: list[Scene]
    frames: np.ndarray
    pts_seconds: np.ndarray
    thoughts: np.ndarray
    world: World

    @property
    def thought_pts_seconds(self) -> tuple[float, ...]:
        """The times of a see-through clip's frames, two in a beat."""
        frame_seconds = self.world.beat_frames / self.world.fps / 2
        return tuple(frame_seconds * i for i in range(self.thoughts.shape[1]))


def load_base_clips(files: CurriculumFiles, work_dir: Path) -> BaseClips:
    """Decode the base videos, or read what an earlier phase decoded."""
    if files.sampling.frames != 2 * (files.world.beats + 1):
        raise DataError(
            f"expected two sampled frames for the reveal and each beat, found "
            f"{files.sampling.frames = } for {files.world.beats = }"
        )
    truth = read_truth(files)
    folder = work_dir / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    scenes = {video_id: _SCENE.dump_python(s, mode="json") for video_id, s in truth.items()}
    wanted = digest([files.model_dump(mode="json"), scenes])
    note = folder / "clips.json"
    kept = json.loads(note.read_text()) if note.exists() else None
    if kept is None or kept["of"] != wanted:
        ids, clips = decode_clips(files.videos, truth, files.world, files.sampling)
        np.save(folder / "frames.npy", clips.frames)
        np.save(folder / "pts_seconds.npy", clips.pts_seconds)
        np.save(folder / "thoughts.npy", clips.thoughts)
        kept = {"of": wanted, "ids": ids}
        write_json(note, kept)
    return BaseClips(
        [truth[id] for id in kept["ids"]],
        np.load(folder / "frames.npy", mmap_mode="r"),
        np.load(folder / "pts_seconds.npy"),
        np.load(folder / "thoughts.npy", mmap_mode="r"),
        files.world,
    )


def read_truth(files: CurriculumFiles) -> dict[str, Scene]:
    """Return the scenes of the videos in `files`, by video id.

    Raises:
        DataError: If a line is no scene, or a scene is of another split.
    """
    scenes = {}
    for number, line in enumerate(files.truth.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
            scene = _SCENE.validate_python(row["scene"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise DataError(
                f'expected {{"video_id", "scene"}} in line {number} of {files.truth}, found {error}'
            ) from None
        if row["video_id"] not in files.videos:
            continue
        if split_of(scene.start, scene.swaps) != "base":
            raise DataError(
                f"expected only scenes of the split 'base', found {row['video_id']!r} of "
                f"{split_of(scene.start, scene.swaps)!r} in {files.truth}"
            )
        scenes[row["video_id"]] = scene
    if not scenes:
        raise DataError(f"expected scenes of the base videos in {files.truth}, found none")
    return scenes


def decode_clips(
    videos: Mapping[str, Path], truth: Mapping[str, Scene], world: World, sampling: FrameSampling
) -> tuple[list[str], BaseClips]:
    """Return the ids of the videos that can be read, and their clips."""
    ids, frames, times, thoughts = [], [], [], []
    for video_id in sorted(truth):
        try:
            clip = sampling.sample(videos[video_id], verified=True)
        except UnreadableVideo:
            continue
        thought = render_thought(script_of(truth[video_id], world), world, 2 * world.beats)
        ids.append(video_id)
        frames.append(clip.pixels)
        times.append(clip.pts_seconds)
        thoughts.append(sampling.resize(thought))
    if not ids:
        raise DataError(f"expected base videos that can be read, found none of {len(truth)}")
    scenes = [truth[video_id] for video_id in ids]
    return ids, BaseClips(scenes, np.stack(frames), np.array(times), np.stack(thoughts), world)

"""What a base can do on videos that it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from storm.shell_game.base_clips import decode_clips
from storm.shell_game.scene import Scene, World
from storm.shell_game.tasks import OPTION_ORDERS, Tasks
from storm.shell_game.videos import write_video
from storm.student.example import Example
from storm.student.student import Student
from storm.videos.decoding.sampling import FrameSampling


def measure_abilities(
    student: Student,
    scenes: Mapping[str, Scene],
    world: World,
    sampling: FrameSampling,
    folder: Path,
) -> dict[str, float]:
    """Return the accuracy before any swap, after one, and with the thought video as latents.

    Args:
        student: The base, in eval mode.
        scenes: The truth by video id.
        world: The rules of the game.
        sampling: How frames are sampled.
        folder: Where the videos are rendered.
    """
    videos = {video_id: folder / f"{video_id}.mp4" for video_id in scenes}
    for video_id, path in videos.items():
        write_video(path, scenes[video_id], world)
    _, clips = decode_clips(videos, scenes, world, sampling)
    tasks = Tasks(student, clips)
    count = len(clips.scenes)
    return {
        "start": _accuracy(student, tasks.start_question, count),
        "one_swap": _accuracy(student, tasks.swap_question, count),
        "thought_as_latents": _accuracy(student, tasks.thought_question, count),
    }


@torch.inference_mode()
def _accuracy(
    student: Student, task: Callable[[int, int], Example], count: int, batch: int = 64
) -> float:
    """Return how often the letter is the most probable first token of the answer."""
    right = 0
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        examples = [task(i, i % OPTION_ORDERS) for i in numbers]
        output = student(student.collate(examples), feeding="teacher")
        assert output.answer_logits is not None
        assert output.answer_tokens is not None
        ends = output.answer_tokens.cumsum(0)
        letters = output.answer_logits[ends - output.answer_tokens].argmax(-1).tolist()
        expected = [student.prompts.answer_ids(example.answer or "")[0] for example in examples]
        right += sum(a == b for a, b in zip(letters, expected, strict=True))
    return right / count

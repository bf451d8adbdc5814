"""The curriculum of the shell game: what a pretrained vision-language model already knows.

Vision: classify a temporal patch by the ball's place or by the pair that swaps, with two linear
heads that are thrown away. Language: list the swaps of a video, list the ball's places in a
see-through clip, answer after at most one swap, and answer any question whose latent span holds
the see-through clip. No question here needs more than one swap to be followed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from storm.config import LETTERS
from storm.shell_game.base_clips import load_base_clips
from storm.shell_game.phases import CurriculumFiles, TextPhase, VisionPhase
from storm.shell_game.scene import Scene, World, places, question, sample_scenes
from storm.student.example import Example, VideoTokens, prompt_of
from storm.training.data_order import generator, option_order
from storm.training.loss import answer_loss
from storm.training.objectives import Objective, RowSource, StudentWithLoss
from storm.training.spec import TrainingSpec

if TYPE_CHECKING:
    from storm.student.student import Student

LIST_SWAPS = "List the swaps."
LIST_PLACES = "List the places of the ball."
OPTION_ORDERS = 24


def swaps_text(scene: Scene) -> str:
    """Return the pair of each beat, a dash where the cups rest: `13 24 - 12`."""
    return " ".join("-" if pair is None else f"{pair[0]}{pair[1]}" for pair in scene.swaps)


def places_text(scene: Scene) -> str:
    """Return the ball's place after each beat: `3 3 1 2`."""
    return " ".join(str(place) for place in places(scene))


def corpus(world: World, texts: int = 400) -> list[str]:
    """Return texts to train the curriculum's tokenizer on."""
    lines = []
    for i, scene in enumerate(sample_scenes(world, "base", texts, seed=0)):
        text, options, answer = question(scene, world, i)
        lines += [prompt_of(text, options), answer]
        lines += [LIST_SWAPS, swaps_text(scene), LIST_PLACES, places_text(scene)]
    return lines


class PatchClassifier(nn.Module):
    """Two linear heads on the vision tower's tokens; each row uses the head of its kind."""

    def __init__(self, student: Student, classes: dict[str, int]):
        super().__init__()
        self.student = student
        self.heads = nn.ModuleDict(
            {name: nn.Linear(student.hidden_size, n) for name, n in classes.items()}
        )

    def forward(self, data: tuple[str, np.ndarray, torch.Tensor]) -> tuple[Any, dict[str, float]]:
        """Return the cross-entropy and the accuracy of a batch of temporal patches.

        Args:
            data: The name of the head, frames (B, 2, H, W, 3), labels (B,).
        """
        head, frames, labels = data
        # all patches as one video: the tower sees one temporal patch at a time anyway
        pixels = self.student.pixels([frames.reshape(-1, *frames.shape[2:])])
        (tokens,) = self.student.features(pixels)
        logits = self.heads[head](tokens.unflatten(0, (len(labels), -1)).mean(1)).float()
        labels = labels.to(logits.device)
        loss = nn.functional.cross_entropy(logits, labels)
        accuracy = (logits.argmax(-1) == labels).float().mean().item()
        return loss, {f"{head}_accuracy": accuracy}


class VisionObjective(Objective):
    """Train the vision tower and merger; the language model is frozen."""

    def __init__(self, phase: VisionPhase, spec: TrainingSpec, student: Student):
        clips = load_base_clips(CurriculumFiles.model_validate(spec.curriculum), spec.work_dir)
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        world, scenes = clips.world, clips.scenes
        student.freeze_language()
        torch.manual_seed(int(generator("heads", spec.seed).integers(2**31)))
        self.module = PatchClassifier(student, {"place": world.cups, "pair": len(world.pairs) + 1})
        starts = np.array([[scene.start - 1] for scene in scenes])
        pairs = np.array([[_pair_label(pair, world) for pair in s.swaps] for s in scenes])
        after = np.array([places(scene) for scene in scenes]) - 1

        def source(
            name: str, share: int, head: str, frames: np.ndarray, first: int, labels: np.ndarray
        ) -> RowSource:
            """Return rows (video, label), flat; label j is of temporal patch j + first."""

            def collate(rows: Sequence[int]) -> Any:
                video, j = np.divmod(np.asarray(rows), labels.shape[1])
                frame = 2 * (j + first)
                patches = np.stack([frames[video, frame], frames[video, frame + 1]], 1)
                return head, patches, torch.from_numpy(labels[video, j])

            return RowSource(name, labels.size, phase.batch * share // phase.batch_divisor, collate)

        self.sources = [
            source("reveals", 1, "place", clips.frames, 0, starts),
            source("swaps", 2, "pair", clips.frames, 1, pairs),
            source("thoughts", 1, "place", clips.thoughts, 0, after),
        ]


def _pair_label(pair: tuple[int, int] | None, world: World) -> int:
    return len(world.pairs) if pair is None else world.pairs.index(pair)


class TextObjective(Objective):
    """Train the language model and embeddings; the frozen tower encodes each video once."""

    def __init__(self, phase: TextPhase, spec: TrainingSpec, student: Student):
        files = CurriculumFiles.model_validate(spec.curriculum)
        self.clips = clips = load_base_clips(files, spec.work_dir)
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        student.freeze_vision()
        self.module = StudentWithLoss(student, answer_loss, "teacher")
        self.videos = _encode(student, clips.frames, [tuple(p) for p in clips.pts_seconds])
        self.thoughts = _encode(
            student, clips.thoughts, [clips.thought_pts_seconds] * len(clips.scenes)
        )
        n = len(clips.scenes) * OPTION_ORDERS

        def source(name: str, sixteenths: int, task: Callable[[int, int], Example]) -> RowSource:
            """Return rows (video, option order), flat."""

            def collate(rows: Sequence[int]) -> Any:
                return student.collate([task(*divmod(row, OPTION_ORDERS)) for row in rows])

            return RowSource(name, n, phase.batch * sixteenths // phase.batch_divisor, collate)

        self.sources = [
            source("list_swaps", 1, self.list_swaps),
            source("list_places", 1, self.list_places),
            source("follow_swap", 2, self.follow_swap),
            source("start_question", 1, self.start_question),
            source("swap_question", 7, self.swap_question),
            source("thought_question", 4, self.thought_question),
        ]

    def list_swaps(self, video: int, number: int) -> Example:
        """Return the task to list the swaps of a video."""
        text = swaps_text(self.clips.scenes[video])
        return Example((self.videos[video],), LIST_SWAPS, text, use_latents=False)

    def list_places(self, video: int, number: int) -> Example:
        """Return the task to list the ball's places in a see-through clip."""
        text = places_text(self.clips.scenes[video])
        return Example((self.thoughts[video],), LIST_PLACES, text, use_latents=False)

    def follow_swap(self, video: int, number: int) -> Example:
        """Return the task to list the ball's places before and after a video's first swap."""
        scene = self.clips.scenes[video]
        text = f"{scene.start} {places(scene)[0]}"
        start = beginning(self.videos[video], 2)
        return Example((start,), LIST_PLACES, text, use_latents=False)

    def start_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, before any swap."""
        return self.question_on_beginning(video, number, 0)

    def swap_question(self, video: int, number: int) -> Example:
        """Return the question on a video's beginning, after its first swap."""
        return self.question_on_beginning(video, number, 1)

    def question_on_beginning(self, video: int, number: int, beats: int) -> Example:
        """Return the question on the reveal and the first beats of a video."""
        scene = self.clips.scenes[video]
        scene = dataclasses.replace(scene, swaps=scene.swaps[:beats] or (None,))
        prompt, answer = self.ask(scene, number)
        start = beginning(self.videos[video], 1 + beats)
        return Example((start,), prompt, answer, use_latents=False)

    def thought_question(self, video: int, number: int) -> Example:
        """Return the question whose latent span holds the see-through clip."""
        prompt, answer = self.ask(self.clips.scenes[video], number)
        return Example((), prompt, answer, latent_video=self.thoughts[video])

    def ask(self, scene: Scene, number: int) -> tuple[str, str]:
        """Return prompt and answer, with the options in order `number` of this scene."""
        text, options, answer = question(scene, self.clips.world)
        new = option_order(scene.seed, text, number, len(options))
        prompt = prompt_of(text, [options[old] for old in new])
        return prompt, LETTERS[new.index(LETTERS.index(answer))]


def beginning(video: VideoTokens, patches: int) -> VideoTokens:
    """Return the first temporal patches of a video, of two frames each."""
    time, height, width = video.grid_thw
    a_patch = len(video.tokens) // time
    return VideoTokens(
        video.tokens[: patches * a_patch],
        (patches, height, width),
        video.pts_seconds[: 2 * patches],
        tuple(layer[: patches * a_patch] for layer in video.deepstack),
    )


def _encode(
    student: Student, clips: np.ndarray, pts_seconds: Sequence[Sequence[float]], at_once: int = 64
) -> list[VideoTokens]:
    videos = []
    for i in range(0, len(clips), at_once):
        part = range(i, min(i + at_once, len(clips)))
        videos += student.encode_videos([(clips[j], pts_seconds[j]) for j in part])
    return videos

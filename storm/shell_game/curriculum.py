"""The curriculum of the shell game: what a pretrained vision-language model already knows.

Vision: classify a temporal patch by the ball's place or by the pair that swaps, with two linear
heads that are thrown away. Language: the tasks of `storm.shell_game.tasks`, of which the most rows
go to what is learned last, the answer after one swap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from storm.shell_game.base_clips import load_base_clips
from storm.shell_game.phases import CurriculumFiles, TextPhase, VisionPhase
from storm.shell_game.scene import World, places
from storm.shell_game.tasks import OPTION_ORDERS, Tasks
from storm.student.example import Example
from storm.training.data_order import generator
from storm.training.loss import answer_loss
from storm.training.objectives import Objective, RowSource, StudentWithLoss
from storm.training.spec import TrainingSpec

if TYPE_CHECKING:
    from storm.student.student import Student


class PatchClassifier(nn.Module):
    """Two linear heads on the vision encoder's tokens; each row uses the head of its kind."""

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
        # all patches as one video: the encoder sees one temporal patch at a time anyway
        pixels = self.student.pixels([frames.reshape(-1, *frames.shape[2:])])
        (tokens,) = self.student.features(pixels)
        logits = self.heads[head](tokens.unflatten(0, (len(labels), -1)).mean(1)).float()
        labels = labels.to(logits.device)
        loss = nn.functional.cross_entropy(logits, labels)
        accuracy = (logits.argmax(-1) == labels).float().mean().item()
        return loss, {f"{head}_accuracy": accuracy}


class VisionObjective(Objective):
    """Train the vision encoder and merger; the language model is frozen."""

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
    """Train the language model and embeddings; the frozen encoder encodes each video once."""

    def __init__(self, phase: TextPhase, spec: TrainingSpec, student: Student):
        files = CurriculumFiles.model_validate(spec.curriculum)
        clips = load_base_clips(files, spec.work_dir)
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        student.freeze_vision()
        self.module = StudentWithLoss(student, answer_loss, "teacher")
        tasks = Tasks(student, clips)
        n = len(clips.scenes) * OPTION_ORDERS

        def source(name: str, sixteenths: int, task: Callable[[int, int], Example]) -> RowSource:
            """Return rows (video, option order), flat."""

            def collate(rows: Sequence[int]) -> Any:
                return student.collate([task(*divmod(row, OPTION_ORDERS)) for row in rows])

            return RowSource(name, n, phase.batch * sixteenths // phase.batch_divisor, collate)

        self.sources = [
            source("list_swaps", 1, tasks.list_swaps),
            source("list_places", 1, tasks.list_places),
            source("follow_swap", 2, tasks.follow_swap),
            source("start_question", 1, tasks.start_question),
            source("swap_question", 7, tasks.swap_question),
            source("thought_question", 4, tasks.thought_question),
        ]

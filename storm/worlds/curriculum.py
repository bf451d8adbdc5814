"""The worlds' curriculum: what a pretrained vision-language model already knows.

Vision: classify a temporal patch by the state, the setting or the event that it shows, with linear
heads that are thrown away. Language: the tasks of `storm.worlds.tasks`, of which the most rows go
to what is learned last, the answer after one event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from storm.training.data_order import generator
from storm.training.loss import answer_loss
from storm.training.objectives import Objective, RowSource, StudentWithLoss
from storm.training.spec import TrainingSpec
from storm.worlds.clips import Clips, load_clips
from storm.worlds.phases import CurriculumFiles, TextPhase, VisionPhase
from storm.worlds.tasks import ORDERS, Tasks

if TYPE_CHECKING:
    from storm.student.example import Example
    from storm.student.student import Student

Labels = dict[str, np.ndarray]  # (rows, places) for each head


class PatchClassifier(nn.Module):
    """Linear heads on the vision encoder's tokens; a head classifies one or several places.

    Attributes:
        shapes: Places and classes of each head.
    """

    def __init__(self, student: Student, shapes: Mapping[str, tuple[int, int]]):
        super().__init__()
        self.student, self.shapes = student, dict(shapes)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(student.hidden_size, p * c) for name, (p, c) in shapes.items()}
        )

    def forward(self, data: tuple[np.ndarray, Labels]) -> tuple[Any, dict[str, float]]:
        """Return the cross-entropy and the accuracy of a batch of temporal patches.

        Args:
            data: Frames (B, 2, H, W, 3); for each head its labels (B, places).
        """
        frames, labels = data
        # all patches as one video: the encoder sees one temporal patch at a time anyway
        pixels = self.student.pixels([frames.reshape(-1, *frames.shape[2:])])
        (tokens,) = self.student.features(pixels)
        means = tokens.unflatten(0, (len(frames), -1)).mean(1)
        losses, numbers = [], {}
        for name, expected in labels.items():
            logits = self.heads[name](means).float().unflatten(1, self.shapes[name])
            wanted = torch.from_numpy(expected).to(logits.device)
            losses.append(nn.functional.cross_entropy(logits.transpose(1, 2), wanted))
            right = (logits.argmax(-1) == wanted).all(1).float().mean()
            numbers[f"{name}_accuracy"] = right.item()
        return torch.stack(losses).sum(), numbers


class VisionObjective(Objective):
    """Train the vision encoder and merger; the language model is frozen."""

    def __init__(self, phase: VisionPhase, spec: TrainingSpec, student: Student):
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        worlds = load_clips(CurriculumFiles.model_validate(spec.curriculum), spec.work_dir)
        student.freeze_language()
        torch.manual_seed(int(generator("heads", spec.seed).integers(2**31)))
        self.module = PatchClassifier(student, head_shapes(worlds))
        part = phase.batch // phase.batch_divisor
        self.sources = [source for clips in worlds for source in vision_sources(clips, part)]


def head_shapes(worlds: Sequence[Clips]) -> dict[str, tuple[int, int]]:
    """Return places and classes of each head."""
    shapes: dict[str, tuple[int, int]] = {}
    for world in (clips.world for clips in worlds):
        shapes[f"{world.name}_state"] = 1, len(world.states)
        shapes[f"{world.name}_event"] = 1, len(world.events)
        if world.setting_noun:
            shapes[f"{world.name}_setting"] = len(world.states), 2
    return shapes


def vision_sources(clips: Clips, part: int) -> list[RowSource]:
    """Return what is classified in a world: starts, events and the states of thought videos."""
    name, states = clips.world.name, clips.states

    def source(of: str, share: int, frames: np.ndarray, first: int, head: str, y: np.ndarray):
        """Return rows (video, j), flat; y (videos, patches) holds the label of patch first + j."""

        def collate(rows: Sequence[int]) -> tuple[np.ndarray, Labels]:
            video, j = np.divmod(np.asarray(rows), y.shape[1])
            at = 2 * (first + j)
            labels = {f"{name}_{head}": y[video, j][:, None]}
            if head == "state" and clips.world.setting_noun:
                labels[f"{name}_setting"] = clips.settings[video]
            return np.stack([frames[video, at], frames[video, at + 1]], 1), labels

        return RowSource(f"{name}_{of}", y.size, share * part, collate)

    return [
        source("starts", 1, clips.frames, 0, "state", states[:, :1]),
        source("events", 1, clips.frames, 1, "event", clips.events),
        source("thoughts", 2, clips.thoughts, 0, "state", states[:, 1:]),
    ]


class TextObjective(Objective):
    """Train the language model and embeddings; the frozen encoder encodes each video once."""

    def __init__(self, phase: TextPhase, spec: TrainingSpec, student: Student):
        self.seed, self.micro_batch = spec.seed, spec.runtime.micro_batch
        worlds = load_clips(CurriculumFiles.model_validate(spec.curriculum), spec.work_dir)
        student.freeze_vision()
        self.module = StudentWithLoss(student, answer_loss, "teacher")
        part = phase.batch // phase.batch_divisor
        self.sources = [source for clips in worlds for source in text_sources(student, clips, part)]


def text_sources(student: Student, clips: Clips, part: int) -> list[RowSource]:
    """Return the tasks of a world, sixteen parts in all."""
    tasks, name = Tasks(student, clips), clips.world.name

    def source(task: Callable[[int, int], Example], share: int) -> RowSource:
        """Return rows (video, number), flat."""

        def collate(rows: Sequence[int]) -> Any:
            return student.collate([task(*divmod(row, ORDERS)) for row in rows])

        size = len(clips.scenes) * ORDERS
        return RowSource(f"{name}_{task.__name__}", size, share * part, collate)

    return [
        source(tasks.list_events, 1),
        source(tasks.list_states, 1),
        source(tasks.follow_event, 2),
        source(tasks.list_setting if clips.world.setting_noun else tasks.start_question, 1),
        source(tasks.event_question, 7),
        source(tasks.thought_question, 4),
    ]

"""Training questions: samples joined with features and targets, and their option orders."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from storm.artifacts.artifact import read_rows
from storm.config import LETTERS, Split
from storm.errors import DataError
from storm.latent_targets.dataset import Targets
from storm.records import ThoughtPrompt, VideoFeatures, VideoSample
from storm.student.letters import name_each_other
from storm.student.reasoning import after_reasoning
from storm.training.controls import control
from storm.training.data_order import option_order
from storm.training.spec import AlignPhase, QuestionPhase, TrainingSpec

if TYPE_CHECKING:
    from storm.student.example import Example


@dataclass(frozen=True)
class TrainingQuestion:
    """A sample with its features and target, which are views of memory-mapped shards.

    Attributes:
        sample: The question.
        features: Its video as the student's vision encoder encodes it.
        hidden_size: The width of the student's tokens.
        target: (K, hidden); None if the training has no targets.
        seed: Seed of the option orders.
        use_latents: Whether the student gets a latent span.
        reasoning: The text before the answer; '' for none.
    """

    sample: VideoSample
    features: VideoFeatures
    hidden_size: int
    target: torch.Tensor | None
    seed: int
    use_latents: bool
    reasoning: str = ""

    def example(self, number: int) -> Example:
        """Return the question as the student reads it, with option order `number`."""
        from storm.student.example import Example, VideoTokens, prompt_of

        sample = reordered(self.sample, number, self.seed)
        return Example(
            videos=(VideoTokens.of(self.features, self.hidden_size),),
            prompt=prompt_of(sample.question, sample.options),
            answer=after_reasoning(self.reasoning, sample.answer),
            targets=self.target,
            use_latents=self.use_latents,
        )

    @property
    def trained_answer(self) -> str:
        """What the student is trained to write for the question as it was written."""
        return after_reasoning(self.reasoning, self.sample.answer)

    def require_target(self, k: int, hidden_size: int) -> None:
        """Raise DataError unless the target has the shape (k, hidden_size)."""
        shape = None if self.target is None else tuple(self.target.shape)
        if shape != (k, hidden_size):
            raise DataError(
                f"expected a target of shape ({k}, {hidden_size}) for question "
                f"{self.sample.id!r}, found {shape}: make latent_targets with this student"
            )


def reordered(sample: VideoSample, number: int, seed: int) -> VideoSample:
    """Return the question with option order `number`; the answer's letter follows its text.

    A question keeps its order if its options name each other, by letter or place.
    """
    if not sample.options or name_each_other(sample.options):
        return sample
    new = option_order(seed, sample.id, number, len(sample.options))
    return dataclasses.replace(
        sample,
        options=tuple(sample.options[old] for old in new),
        answer=LETTERS[new.index(LETTERS.index(sample.answer))],
    )


def load_validation_questions(spec: TrainingSpec, hidden_size: int) -> list[TrainingQuestion]:
    """Return the validation questions whose video has features, ordered by id; maybe none."""
    samples, features = _samples_with_features(spec, "val")
    return [
        TrainingQuestion(s, features[s.video_id], hidden_size, None, spec.seed, spec.use_latents)
        for s in samples
        if s.video_id in features
    ]


def load_questions(
    spec: TrainingSpec, hidden_size: int, phase: QuestionPhase | None = None
) -> list[TrainingQuestion]:
    """Return the training questions that have all that their phase needs, ordered by id.

    A question without features, target or reasoning is left out (they were quarantined), but one
    without a target stays where the phase trains on all. Every arm that names the same files
    trains on the same questions in the same order.

    Raises:
        DataError: If no question has everything.
    """
    assert spec.rows is not None
    samples, features = _samples_with_features(spec, "train")
    wanted = [s.id for s in samples]
    targets = _targets(spec.rows.targets, wanted) if spec.rows.targets else {}
    reasoning = _reasoning(spec.rows.prompts, wanted)
    anyone = isinstance(phase, AlignPhase) and phase.questions == "all"
    kept = [
        s
        for s in samples
        if s.video_id in features
        and (not spec.rows.targets or anyone or s.id in targets)
        and (not spec.rows.prompts or s.id in reasoning)
    ]
    if not kept:
        raise DataError(
            f"expected training questions with features and targets, found {len(samples)} "
            f"questions, {len(features)} features, {len(targets)} targets that don't meet"
        )
    given = [s for s in kept if s.id in targets]
    if given and spec.targets_from != "own":
        stacked = torch.stack([targets[s.id] for s in given])
        others = control(spec.targets_from, stacked, [s.video_id for s in given], spec.seed)
        targets = {s.id: target for s, target in zip(given, others, strict=True)}
    return [
        TrainingQuestion(
            s,
            features[s.video_id],
            hidden_size,
            targets.get(s.id),
            spec.seed,
            spec.use_latents,
            reasoning.get(s.id, ""),
        )
        for s in kept
    ]


def _samples_with_features(
    spec: TrainingSpec, split: Split
) -> tuple[list[VideoSample], dict[str, VideoFeatures]]:
    """Return a split's samples by id, and the features of their videos by video id."""
    assert spec.rows is not None
    samples = [s for s in read_rows(spec.rows.samples, VideoSample) if s.split == split]
    samples.sort(key=lambda s: s.id)
    videos = {s.video_id for s in samples}
    rows = read_rows(spec.rows.features, VideoFeatures)
    return samples, {row.id: row for row in rows if row.id in videos}


def _targets(paths: Sequence[Path], wanted: Sequence[str]) -> dict[str, torch.Tensor]:
    targets = Targets(paths)
    rows = targets.find(wanted).tolist()
    return {i: targets.latents(row) for i, row in zip(wanted, rows, strict=True) if row >= 0}


def _reasoning(paths: Sequence[Path], wanted: Sequence[str]) -> dict[str, str]:
    """Return the teacher's steps for each question, one a line."""
    ids = set(wanted)
    return {p.id: "\n".join(p.steps) for p in read_rows(paths, ThoughtPrompt) if p.id in ids}

"""The stage `predictions`: a checkpoint answers the test questions, its latents changed or not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from storm.artifacts.fs import digest
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import LETTERS, Dtype
from storm.features.video_features import VideoFeaturesStage, load_student
from storm.records import Checkpoint, Prediction, VideoFeatures, VideoSample
from storm.student.letters import judge
from storm.videos.stage import VideoStage

if TYPE_CHECKING:
    from storm.student.interventions import Intervention

# `none` first: the others are made from the latents that it leaves.
Change = Literal["none", "zero", "mean", "swap"]


@dataclass(frozen=True, kw_only=True)
class PredictionsStage(Stage[Prediction]):
    """A row for each test question and each intervention on its latents.

    `mean`: every slot is the mean over all questions. `swap`: another question's latents, drawn
    without a fixed point from all; so no row depends on shards or on what is pending. Multiple
    choice is scored by its letter, anything else by equality of the stripped, lower-cased text.
    """

    name: ClassVar[str] = "predictions"
    row: ClassVar[type] = Prediction

    checkpoint: Stage[Checkpoint]
    videos: VideoStage
    features: VideoFeaturesStage
    mode: Literal["direct", "latent"]
    dtype: Dtype
    interventions: tuple[Change, ...] = ("none",)
    max_new_tokens: int = 8
    seed: int = 0

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        weights = tuple(self.checkpoint.artifact(store).index().values())
        questions = self.videos.artifact(store).index()
        features = self.features.artifact(store).index()
        samples = [
            s for s in self.videos.rows(store) if s.split == "test" and s.video_id in features
        ]
        everyone = digest(sorted(questions[s.id] for s in samples))  # mean and swap depend on all
        for sample in samples:
            own = (questions[sample.id], features[sample.video_id], *weights)
            for change in self.interventions:
                upstream = own if change == "none" else (*own, everyone)
                yield f"{sample.id}#{change}", upstream

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Prediction]:
        import torch

        from storm.student.interventions import named

        student = load_student(self.checkpoint, context, self.dtype)
        pending, planned = set(ids), context.artifact.plan().items
        questions = self._questions({i.id.rpartition("#")[0] for i in planned}, context)
        all_latents = any(not i.endswith("#none") for i in ids)
        latents: list[torch.Tensor] = []
        for change in self.interventions:
            if change == "none":
                donors = list(range(len(questions)))
            else:
                donors = _derangement(len(questions), self.seed)
            of_all = named(change, torch.stack(latents) if latents else None)
            for at in range(0, len(questions), context.batch):
                rows = range(at, min(at + context.batch, len(questions)))
                wanted = [f"{questions[i][0].id}#{change}" for i in rows]
                mine = [i for i in wanted if i in pending]
                if not mine and not (change == "none" and all_latents):
                    continue
                context.begin(mine)
                changed = of_all and of_all.of_rows([donors[i] for i in rows])  # the donors' rows
                answers = self._answer(student, [questions[i] for i in rows], changed)
                for i, item_id, answer in zip(rows, wanted, answers, strict=True):
                    if change == "none" and answer.latents is not None:
                        latents.append(answer.latents.float().cpu())
                    if item_id in pending:
                        donor = questions[donors[i]][0] if change == "swap" else None
                        yield _prediction(item_id, questions[i][0], change, answer.text, donor)
                context.emit({"progress": at + len(rows), "of": len(questions), "text": change})

    def _questions(
        self, wanted: set[str], context: Context
    ) -> list[tuple[VideoSample, VideoFeatures]]:
        samples = list(self.videos.rows(context.store, wanted))
        seen = {s.video_id for s in samples}
        features = {f.id: f for f in self.features.rows(context.store, seen)}
        return [(s, features[s.video_id]) for s in sorted(samples, key=lambda s: s.id)]

    def _answer(
        self, student: Any, questions: Sequence[Any], intervention: Intervention | None
    ) -> Any:
        import torch

        from storm.student import Example, VideoTokens, prompt_of

        examples = [
            Example(
                videos=(VideoTokens.of(features, student.hidden_size),),
                prompt=prompt_of(sample.question, sample.options),
                use_latents=self.mode == "latent",
            )
            for sample, features in questions
        ]
        with torch.inference_mode():
            return student.generate(
                student.collate(examples), self.mode, intervention, self.max_new_tokens
            )


def _derangement(n: int, seed: int) -> list[int]:
    """A donor for each of n questions, never itself (for n of at least 2)."""
    order = np.random.default_rng([seed, n]).permutation(n)
    donors = np.empty(n, dtype=int)
    donors[order] = np.roll(order, 1)
    return donors.tolist()


def _prediction(
    item_id: str, sample: VideoSample, change: Change, text: str, donor: VideoSample | None
) -> Prediction:
    predicted, correct = judge(text, len(sample.options), sample.answer)
    donor_answer = ""
    if donor is not None and donor.options:
        said = donor.options[LETTERS.index(donor.answer)]
        if said in sample.options:
            donor_answer = LETTERS[sample.options.index(said)]
    return Prediction(
        id=item_id,
        question_id=sample.id,
        video_id=sample.video_id,
        intervention=change,
        response=text,
        predicted=predicted,
        answer=sample.answer,
        correct=correct,
        donor_answer=donor_answer,
    )

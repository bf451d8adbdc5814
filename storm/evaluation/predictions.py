"""The stage `predictions`: a checkpoint answers the test questions, its latents changed or not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from storm.artifacts.fs import digest
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import Dtype
from storm.errors import UnfitQuestion
from storm.evaluation.intervention_names import NO_INTERVENTION, ORACLE
from storm.evaluation.theory import Theory
from storm.features.encoder import load_student
from storm.features.video_features import VideoFeaturesStage
from storm.latent_targets.stage import LatentTargetsStage
from storm.records import Checkpoint, Prediction, Rejected, VideoFeatures, VideoSample
from storm.student.modes import Mode
from storm.student.reasoning import final_answer
from storm.videos.stage import VideoStage

if TYPE_CHECKING:
    from storm.student import Student
    from storm.student.interventions import Intervention


@dataclass(frozen=True, kw_only=True)
class PredictionsStage(Stage[Prediction]):
    """A row for each test question and each intervention on its latents.

    For `mean`, every slot is the mean over all questions; for `swap` and `patch:I`, the latents are
    those of another question, drawn from its group (`VideoStage.donors_of`) without a fixed point;
    for `oracle`, the question's targets, if it has some. So no row depends on shards or on what is
    pending. Multiple choice is scored by its letter, anything else by equality of texts (see
    `storm.student.letters`) in the words of the videos' source.
    """

    name: ClassVar[str] = "predictions"
    row: ClassVar[type] = Prediction
    version: ClassVar[int] = 5  # with phrases around letters

    checkpoint: Stage[Checkpoint]
    videos: VideoStage
    features: VideoFeaturesStage
    targets: LatentTargetsStage | None = None  # of the test questions, for `oracle`
    mode: Mode
    dtype: Dtype
    interventions: tuple[str, ...] = (NO_INTERVENTION,)  # that one first: it leaves the latents
    max_new_tokens: int = 8
    seed: int = 0

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield an item per question and intervention; all but `none` depend on all questions."""
        weights = tuple(self.checkpoint.artifact(store).index().values())
        questions = self.videos.artifact(store).index()
        features = self.features.artifact(store).index()
        samples = self._samples(store)
        everyone = digest(sorted(questions[s.id] for s in samples))
        targets = self.targets.artifact(store).index() if self.targets else {}
        for sample in samples:
            own = (questions[sample.id], features[sample.video_id], *weights)
            for intervention in self.interventions:
                if intervention != ORACLE:
                    upstream = own if intervention == NO_INTERVENTION else (*own, everyone)
                    yield prediction_id(sample.id, intervention), upstream
                elif sample.id in targets:
                    yield prediction_id(sample.id, intervention), (*own, targets[sample.id])

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Prediction | Rejected]:
        """Yield the answers, one intervention after the other."""
        import torch

        from storm.student.named_interventions import parse_intervention

        student = load_student(self.checkpoint, context, self.dtype)
        rolls_out = self.mode == "latent" and student.latent.rolls_out
        latent_steps = student.k if rolls_out else 0
        pending = set(ids)
        questions, unfit = self._questions(context, student)
        for sample, error in unfit:
            for id in (prediction_id(sample.id, name) for name in self.interventions):
                if id in pending:
                    yield Rejected(id=id, reason=error.reason, detail=error.detail)
        targets = {t.id: t for t in self.targets.rows(context.store)} if self.targets else {}
        unchanged = {prediction_id(sample.id, NO_INTERVENTION) for sample, _ in questions}
        needs_latents = not pending <= unchanged
        latents: list[torch.Tensor] = []
        groups = [self.videos.donors_of(sample) for sample, _ in questions]
        for name in self.interventions:
            if name == NO_INTERVENTION:
                donors = list(range(len(questions)))
            else:
                donors = _donors(groups, self.seed)
            of_all = parse_intervention(name, torch.stack(latents) if latents else None)
            for at in range(0, len(questions), context.batch):
                rows = range(at, min(at + context.batch, len(questions)))
                if name == ORACLE:
                    rows = [i for i in rows if questions[i][0].id in targets]
                row_ids = [prediction_id(questions[i][0].id, name) for i in rows]
                pending_ids = [id for id in row_ids if id in pending]
                if not pending_ids and not (name == NO_INTERVENTION and needs_latents):
                    continue
                context.begin(pending_ids)
                changed = of_all and of_all.of_rows([donors[i] for i in rows])  # the donors' rows
                asked = [(*questions[i], targets.get(questions[i][0].id)) for i in rows]
                answers = self._answer(student, asked, changed)
                for i, id, answer in zip(rows, row_ids, answers, strict=True):
                    if name == NO_INTERVENTION and answer.latents is not None:
                        latents.append(answer.latents.float().cpu())
                    if id in pending:
                        sample, donor = questions[i][0], questions[donors[i]][0]
                        theory = Theory(self.videos, student.k, sample)
                        said = answer.text
                        if self.mode == "cot":
                            said = final_answer(said)[1]
                        yield _prediction(
                            sample,
                            name,
                            answer.text,
                            theory.answer(name, donor),
                            theory.guess_accuracy(name),
                            steps=latent_steps + len(answer.token_ids),
                            said=self.videos.in_own_words(sample, said),
                        )
                context.emit({"progress": at + len(rows), "of": len(questions), "text": name})

    def _samples(self, store: Store) -> list[VideoSample]:
        """Return the test questions whose video has features."""
        features = self.features.artifact(store).index()
        return [s for s in self.videos.rows(store) if s.split == "test" and s.video_id in features]

    def _questions(
        self, context: Context, student: Student
    ) -> tuple[list[tuple[VideoSample, VideoFeatures]], list[tuple[VideoSample, UnfitQuestion]]]:
        """Return all questions by id, whatever is pending, and those that can't be asked.

        `mean` and `swap` need all.
        """
        from storm.student import Example, VideoTokens, prompt_of

        samples = self._samples(context.store)
        videos = {s.video_id for s in samples}
        features = {f.id: f for f in self.features.rows(context.store, videos)}
        asked: list[tuple[VideoSample, VideoFeatures]] = []
        unfit: list[tuple[VideoSample, UnfitQuestion]] = []
        for sample in sorted(samples, key=lambda s: s.id):
            row = features[sample.video_id]
            video = VideoTokens.of(row, student.hidden_size)
            example = Example(videos=(video,), prompt=prompt_of(sample.question, sample.options))
            try:
                student.prompts.check(example, self.max_new_tokens)
                asked.append((sample, row))
            except UnfitQuestion as error:
                unfit.append((sample, error))
        return asked, unfit

    def _answer(
        self, student: Any, questions: Sequence[Any], intervention: Intervention | None
    ) -> Any:
        import torch

        from storm.student import Example, VideoTokens, prompt_of
        from storm.tensors import from_numpy

        examples = [
            Example(
                videos=(VideoTokens.of(features, student.hidden_size),),
                prompt=prompt_of(sample.question, sample.options),
                targets=None if target is None else from_numpy(target.latents),
                use_latents=self.mode == "latent",
            )
            for sample, features, target in questions
        ]
        with torch.inference_mode():
            return student.generate(
                student.collate(examples),
                mode="latent" if self.mode == "latent" else "direct",
                intervention=intervention,
                max_new_tokens=self.max_new_tokens,
            )


def prediction_id(question_id: str, intervention: str) -> str:
    """Return the id of a prediction."""
    return f"{question_id}#{intervention}"


def _donors(groups: Sequence[str], seed: int) -> list[int]:
    """Return a donor of the same group for each question, itself only if it is alone in it."""
    n = len(groups)
    order = np.random.default_rng([seed, n]).permutation(n)
    donors = np.empty(n, dtype=int)
    for group in set(groups):
        members = [i for i in order if groups[i] == group]
        donors[members] = np.roll(members, 1)
    return donors.tolist()


def _prediction(
    sample: VideoSample,
    intervention: str,
    response: str,
    donor_answer: str = "",
    guess_accuracy: float = math.nan,
    *,
    steps: int,
    said: str,
) -> Prediction:
    from storm.student.letters import judge  # its patterns take long to compile

    predicted, correct = judge(said, sample.options, sample.answer)
    return Prediction(
        id=prediction_id(sample.id, intervention),
        question_id=sample.id,
        video_id=sample.video_id,
        cluster=sample.cluster,
        intervention=intervention,
        response=response,
        steps=steps,
        predicted=predicted,
        answer=sample.answer,
        correct=correct,
        donor_answer=donor_answer,
        guess_accuracy=guess_accuracy,
    )

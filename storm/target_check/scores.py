"""The stage `target_scores`: the untrained student answers with something in its latent span.

| condition | the latent span holds |
| --- | --- |
| `direct` | nothing: there is no span |
| `oracle` | the question's target |
| `zero` | zeros |
| `mean` | the mean target of all questions |
| `swap` | the target of a question of another cluster |

In the last four the span stands after the video; in `oracle_alone` and the like there is no video.
A base may have learned to read either: the shell game's was taught thought frames without a video.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from storm.artifacts.fs import digest
from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.config import LETTERS, Dtype, Split
from storm.errors import DataError
from storm.features.encoder import load_student
from storm.features.video_features import VideoFeaturesStage
from storm.latent_targets.stage import LatentTargetsStage
from storm.records import Checkpoint, VideoFeatures, VideoSample
from storm.target_check.target_score import TargetScore
from storm.training.spec import TargetsFrom
from storm.videos.stage import VideoStage

if TYPE_CHECKING:
    import torch

    from storm.student import Student

DIRECT, ORACLE, ALONE = "direct", "oracle", "_alone"
DUMMIES = ("zero", "mean", "swap")
CONDITIONS = (DIRECT, *(fed + end for end in ("", ALONE) for fed in (ORACLE, *DUMMIES)))


@dataclass(frozen=True, kw_only=True)
class TargetScoresStage(Stage[TargetScore]):
    """A row for each question that has features and a target, and each condition.

    Everything is scored in one pass over prompt, span and right answer; nothing is trained or
    rolled out.

    Attributes:
        base: The student that answers.
        targets: What its span is fed with.
        targets_from: Whose targets a question gets (see TrainingSpec).
        split: Whose questions.
        conditions: What to put into the span.
        seed: Of wrong targets, and of who gives to whom in `swap`.
    """

    name: ClassVar[str] = "target_scores"
    row: ClassVar[type] = TargetScore

    base: Stage[Checkpoint]
    videos: VideoStage
    features: VideoFeaturesStage
    targets: LatentTargetsStage
    targets_from: TargetsFrom = "own"
    split: Split
    conditions: tuple[str, ...] = CONDITIONS
    dtype: Dtype
    seed: int = 0

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Yield an item per question and condition; some depend on all questions' targets."""
        weights = tuple(self.base.artifact(store).index().values())
        questions = self.videos.artifact(store).index()
        features = self.features.artifact(store).index()
        targets = self.targets.artifact(store).index()
        samples = self.samples(store)
        everyone = digest(sorted((questions[s.id], targets[s.id]) for s in samples))
        for sample in samples:
            own = (questions[sample.id], features[sample.video_id], targets[sample.id], *weights)
            for condition in self.conditions:
                fed = condition.removesuffix(ALONE)
                of_others = fed in ("mean", "swap") or self.targets_from != "own"
                yield score_id(sample.id, condition), (*own, everyone) if of_others else own

    def make(self, ids: Sequence[str], context: Context) -> Iterator[TargetScore]:
        """Score the questions, one condition after the other."""
        import torch

        from storm.student.importing import with_latent

        samples, pending = self.samples(context.store), set(ids)
        targets = self.tensor(context.store, samples)
        student = load_student(self.base, context, self.dtype)
        span = student.latent.model_copy(update={"k": self.targets.k, "input": "states"})
        student = with_latent(student, span)
        features = self.features.rows(context.store, {s.video_id for s in samples})
        of_video = {row.id: row for row in features}
        for condition in self.conditions:
            fed = self._fed(condition.removesuffix(ALONE), targets, samples)
            wanted = [i for i, s in enumerate(samples) if score_id(s.id, condition) in pending]
            for batch in context.batches([score_id(samples[i].id, condition) for i in wanted]):
                rows, wanted = wanted[: len(batch)], wanted[len(batch) :]
                with torch.inference_mode():
                    yield from _scores(
                        student,
                        [samples[i] for i in rows],
                        None
                        if condition.endswith(ALONE)
                        else [of_video[samples[i].video_id] for i in rows],
                        None if fed is None else fed[rows],
                        condition,
                    )

    def samples(self, store: Store) -> list[VideoSample]:
        """Return the questions that have features and a target, by id.

        Raises:
            DataError: If they are of fewer than two clusters.
        """
        features = self.features.artifact(store).index()
        targets = self.targets.artifact(store).index()
        found = [
            s
            for s in self.videos.rows(store)
            if s.split == self.split and s.video_id in features and s.id in targets
        ]
        if len({s.cluster for s in found}) < 2:
            raise DataError(
                f"expected questions of the split {self.split!r} on two videos at least, with "
                f"features and targets, found {len(found)}: mark some, or set videos.val_share"
            )
        return sorted(found, key=lambda s: s.id)

    def tensor(self, store: Store, samples: Sequence[VideoSample]) -> torch.Tensor:
        """Return the targets that these questions get, (N, K, hidden) float32."""
        import torch

        from storm.latent_targets.dataset import Targets
        from storm.training.controls import control

        stored = Targets(self.targets.artifact(store).shard_paths())
        rows = stored.find([s.id for s in samples]).tolist()
        own = torch.stack([stored.latents(row).float() for row in rows])
        if self.targets_from == "own":
            return own
        return control(self.targets_from, own, [s.video_id for s in samples], self.seed)

    def _fed(
        self, fed: str, targets: torch.Tensor, samples: Sequence[VideoSample]
    ) -> torch.Tensor | None:
        """Return what the span of each question holds, (N, K, hidden); None for no span."""
        import torch

        from storm.training.controls import mean, shuffled

        match fed:
            case "zero":
                return torch.zeros_like(targets)
            case "mean":
                return mean(targets)
            case "swap":
                return shuffled(targets, [s.cluster for s in samples], self.seed)
            case "oracle":
                return targets
            case _:
                return None


def score_id(question_id: str, condition: str) -> str:
    """Return the id of a score."""
    return f"{question_id}#{condition}"


def _scores(
    student: Student,
    samples: Sequence[VideoSample],
    videos: Sequence[VideoFeatures] | None,
    fed: torch.Tensor | None,
    condition: str,
) -> Iterator[TargetScore]:
    """Yield the score of each question of a batch.

    Args:
        student: Who answers.
        samples: The questions, B.
        videos: What their videos look like; None for no video.
        fed: What the spans hold, (B, K, hidden); None for no span.
        condition: Its name.
    """
    from storm.student import Example, VideoTokens, prompt_of

    examples = [
        Example(
            videos=(VideoTokens.of(videos[i], student.hidden_size),) if videos else (),
            prompt=prompt_of(sample.question, sample.options),
            answer=sample.answer,
            targets=None if fed is None else fed[i],
            use_latents=fed is not None,
        )
        for i, sample in enumerate(samples)
    ]
    output = student(student.collate(examples), feeding="none" if fed is None else "teacher")
    logits = output.answer_logits.float().split(output.answer_tokens.tolist())
    for sample, of_answer in zip(samples, logits, strict=True):
        chosen, log_probability = judge(student, sample, of_answer)
        yield TargetScore(
            id=score_id(sample.id, condition),
            question_id=sample.id,
            video_id=sample.video_id,
            cluster=sample.cluster,
            condition=condition,
            chosen=chosen,
            correct=chosen == sample.answer,
            log_probability=log_probability,
        )


def judge(student: Student, sample: VideoSample, logits: torch.Tensor) -> tuple[str, float]:
    """Return what the student chooses, and the log-probability of the right answer.

    Args:
        student: Whose tokens they are.
        sample: The question.
        logits: Where the right answer's tokens and the end of the turn are predicted, (n + 1, V).
    """
    if sample.options:
        letters = LETTERS[: len(sample.options)]
        of_letters = logits[0, [student.prompts.answer_ids(letter)[0] for letter in letters]]
        right = letters.index(sample.answer)
        return letters[int(of_letters.argmax())], float(of_letters.log_softmax(0)[right])
    answer = student.prompts.answer_ids(sample.answer)[:-1]
    of_tokens = logits[:-1].log_softmax(1)[range(len(answer)), answer]
    best = logits.argmax(1).tolist()
    same = tuple(best) == student.prompts.answer_ids(sample.answer)
    written = student.tokenizer.decode(best, skip_special_tokens=True)
    return sample.answer if same else written, float(of_tokens.sum())

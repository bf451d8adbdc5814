"""The stage `results`: every arm's accuracy, with intervals, under interventions and compared.

All of it over all test questions, and again over those of each kind if there are several.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.benchmarks.paired import Pair, PairedDifference, paired_differences
from storm.benchmarks.statistics import clustered_interval
from storm.config import FrozenModel
from storm.evaluation.intervention_names import NO_INTERVENTION, ORACLE
from storm.evaluation.predictions import PredictionsStage
from storm.records import Measure, Prediction, Score, VideoSample
from storm.videos.stage import VideoStage

Role = Literal["main", "direct", "dummy", "control", "rival", "ablation"]


class ArmLabel(FrozenModel):
    """The name of an arm, and what it says in the verdict."""

    name: str
    role: Role = "main"


class Compared(NamedTuple):
    """A difference: the main arm's accuracy under a condition minus another arm's without one."""

    condition: str
    against: str


@dataclass(frozen=True, kw_only=True)
class ResultsStage(Stage[Score]):
    """Scores of each arm, the main one first, and its differences from the others."""

    name: ClassVar[str] = "results"
    row: ClassVar[type] = Score
    version: ClassVar[int] = 3  # with kinds of question
    single_item: ClassVar[bool] = True

    videos: VideoStage
    predictions: tuple[PredictionsStage, ...]
    arms: tuple[ArmLabel, ...]  # one for each of `predictions`
    seed: int

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return the scores' ids; each depends on all predictions."""
        digests = []
        for stage in self.predictions:
            digests += [f"{k}={v}" for k, v in sorted(stage.artifact(store).index().items())]
        return [(score.id, tuple(digests)) for score in self._scores(store)]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Score]:
        """Yield the scores."""
        wanted = set(ids)
        yield from (s for s in self._scores(context.store) if s.id in wanted)

    def answers(self, store: Store) -> dict[ArmLabel, list[Prediction]]:
        """Return what each arm answered to the main arm's questions; none of those on others."""
        return {
            arm: list(stage.rows(store)) if stage.videos == self.predictions[0].videos else []
            for arm, stage in self._stages()
        }

    def _scores(self, store: Store) -> Iterator[Score]:
        answers = self.answers(store)
        everything = {arm: list(stage.rows(store)) for arm, stage in self._stages()}
        test = [sample for sample in self.videos.rows(store) if sample.split == "test"]
        yield from self._of_questions("", everything, answers, test)
        kinds = {sample.id: self.videos.kind_of(sample) for sample in test}
        if len(set(kinds.values())) == 1:
            return
        for kind in sorted(set(kinds.values())):
            own = {
                arm: [row for row in rows if kinds[row.question_id] == kind]
                for arm, rows in answers.items()
            }
            yield from self._of_questions(kind, own, own, [s for s in test if kinds[s.id] == kind])

    def _stages(self) -> Iterator[tuple[ArmLabel, PredictionsStage]]:
        return zip(self.arms, self.predictions, strict=True)

    def _of_questions(
        self,
        kind: str,
        rows: dict[ArmLabel, list[Prediction]],
        answers: dict[ArmLabel, list[Prediction]],
        test: Sequence[VideoSample],
    ) -> Iterator[Score]:
        """Yield the scores of some questions.

        Args:
            kind: Their kind; '' for all.
            rows: What each arm answered.
            answers: The same to the main arm's questions.
            test: The main arm's questions.
        """
        for arm, own in rows.items():
            yield from self._of_arm(kind, arm, own)
        for compared, found in paired_differences(pairs_of(answers), seed=self.seed).items():
            yield self._difference(kind, compared, found)
        if chances := [1 / len(sample.options) for sample in test if sample.options]:
            chance = sum(chances) / len(chances)
            clusters = [sample.cluster for sample in test if sample.options]
            label, interval = ArmLabel(name="chance"), (chance, chance, chance)
            yield self._score(kind, label, "accuracy", NO_INTERVENTION, interval, clusters)

    def _of_arm(self, kind: str, arm: ArmLabel, rows: Sequence[Prediction]) -> Iterator[Score]:
        """Yield the accuracy without an intervention first, then those with one."""
        interventions = dict.fromkeys(row.intervention for row in rows)
        for intervention in sorted(interventions, key=lambda name: name != NO_INTERVENTION):
            changed = [row for row in rows if row.intervention == intervention]
            for measure, counted, values in _measures(changed):
                clusters = [row.cluster for row in counted]
                interval = clustered_interval(values, clusters)
                yield self._score(kind, arm, measure, intervention, interval, clusters)
        steps = [row.steps for row in rows if row.intervention == NO_INTERVENTION]
        if steps:
            clusters = [row.cluster for row in rows if row.intervention == NO_INTERVENTION]
            mean = sum(steps) / len(steps)
            interval = (mean, mean, mean)  # it describes these answers, no population
            yield self._score(kind, arm, "steps", NO_INTERVENTION, interval, clusters)

    def _score(
        self,
        kind: str,
        arm: ArmLabel,
        measure: Measure,
        condition: str,
        interval: tuple[float, float, float],
        clusters: Sequence[str],
    ) -> Score:
        value, low, high = interval
        return Score(
            id="/".join((*filter(None, (kind,)), arm.name, measure, condition)),
            kind=kind,
            arm=arm.name,
            role=arm.role,
            measure=measure,
            condition=condition,
            against="",
            value=value,
            low=low,
            high=high,
            n=len(clusters),
            clusters=len(set(clusters)),
            p=math.nan,
            seed=self.seed,
        )

    def _difference(self, kind: str, compared: Compared, found: PairedDifference) -> Score:
        main = self.arms[0]
        return Score(
            id="/".join((*filter(None, (kind,)), main.name, "difference", *compared)),
            kind=kind,
            arm=main.name,
            role=main.role,
            measure="difference",
            condition=compared.condition,
            against=compared.against,
            value=found.value,
            low=found.low,
            high=found.high,
            n=found.n,
            clusters=found.clusters,
            p=found.p_holm,
            seed=self.seed,
        )


def pairs_of(answers: dict[ArmLabel, list[Prediction]]) -> dict[Compared, list[Pair]]:
    """Return the pairs of each comparison of the first arm.

    It is compared with every other arm, and its oracle latents with those of the role `direct`.
    """
    main, *others = answers
    family: dict[Compared, list[Pair]] = {}
    for arm in others:
        conditions = (NO_INTERVENTION, ORACLE) if arm.role == "direct" else (NO_INTERVENTION,)
        theirs = _by_question(answers[arm], NO_INTERVENTION)
        for condition in conditions:
            own = _by_question(answers[main], condition)
            pairs = [
                Pair(float(own[i].correct), float(theirs[i].correct), own[i].cluster)
                for i in own.keys() & theirs.keys()
            ]
            if pairs:
                pairs.sort(key=lambda pair: pair.cluster)
                family[Compared(condition, arm.name)] = pairs
    return family


def _by_question(rows: Iterable[Prediction], intervention: str) -> dict[str, Prediction]:
    return {row.question_id: row for row in rows if row.intervention == intervention}


def _measures(
    rows: Sequence[Prediction],
) -> Iterator[tuple[Measure, Sequence[Prediction], list[float]]]:
    """Yield each measure of one intervention: its name, the rows it counts, a value for each."""
    yield "accuracy", rows, [row.correct for row in rows]
    told = [row for row in rows if row.donor_answer]
    other = [row for row in told if row.donor_answer != row.answer]
    if told:
        yield "follows_donor", told, [row.predicted == row.donor_answer for row in told]
    if other:
        yield "follows_donor_if_other", other, [row.predicted == row.donor_answer for row in other]
    known = [row for row in rows if not math.isnan(row.guess_accuracy)]
    if known:
        yield "guess_accuracy", known, [row.guess_accuracy for row in known]


def as_json(scores: Iterable[Score]) -> dict[str, Any]:
    """Return the results as one JSON value.

    Returns:
        `{"arms": {name: ARM}, "differences": [DIFFERENCE], "chance": share}`, and if there are
        several kinds of question, `kinds: {name: the same for these alone}`. An ARM has
        `role`, `accuracy`, `ci95`, `n`, `clusters`, `steps`, `seed`, and if there are any,
        `interventions: {name: {accuracy, ci95, n}}`. An intervention with a donor also has
        `follows_donor` and `follows_donor_if_other`, each `{share, ci95, n}`, and `sweeps:T` the
        `guess_accuracy` of theory, where the world can say. A DIFFERENCE has `arm`, `condition`,
        `against`, `value`, `ci95`, `p` (Holm's), `n` and `clusters`.
    """
    by_kind: dict[str, list[Score]] = {"": []}
    for score in scores:
        by_kind.setdefault(score.kind, []).append(score)
    found = _as_json(by_kind.pop(""))
    if by_kind:
        found["kinds"] = {kind: _as_json(own) for kind, own in by_kind.items()}
    return found


def _as_json(scores: Iterable[Score]) -> dict[str, Any]:
    arms: dict[str, dict[str, Any]] = {}
    differences: list[dict[str, Any]] = []
    chance = None
    for score in scores:
        if score.arm == "chance":
            chance = score.value
            continue
        interval = {"ci95": [score.low, score.high], "n": score.n}
        arm = arms.setdefault(score.arm, {"role": score.role})
        if score.measure == "difference":
            compared = {name: getattr(score, name) for name in ("arm", "condition", "against")}
            counted = {"clusters": score.clusters, "p": score.p}
            differences.append({**compared, "value": score.value, **interval, **counted})
        elif score.measure == "steps":
            arm["steps"] = score.value
        elif score.condition == NO_INTERVENTION:
            arm.update(accuracy=score.value, **interval)
            arm.update(clusters=score.clusters, seed=score.seed)
        else:
            found = arm.setdefault("interventions", {}).setdefault(score.condition, {})
            if score.measure == "accuracy":
                found.update(accuracy=score.value, **interval)
            elif score.measure == "guess_accuracy":
                found[score.measure] = score.value
            else:
                found[score.measure] = {"share": score.value, **interval}
    return {"arms": arms, "differences": differences, "chance": chance}

"""The stage `results`: every arm's accuracy, with intervals, also under interventions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.benchmarks.statistics import clustered_interval
from storm.config import FrozenModel
from storm.errors import DataError
from storm.evaluation.intervention_names import NO_INTERVENTION
from storm.evaluation.predictions import PredictionsStage
from storm.records import Measure, Prediction, Score
from storm.training.stage import phases_of
from storm.videos.stage import VideoStage


class ArmLabel(FrozenModel):
    """The name of an arm, and the videos that it was tested on."""

    name: str
    variant: str = ""  # '': the profile's own videos


@dataclass(frozen=True, kw_only=True)
class ResultsStage(Stage[Score]):
    """Scores of each arm; of trainings with the same label, the one best on validation videos."""

    name: ClassVar[str] = "results"
    row: ClassVar[type] = Score
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

    def _scores(self, store: Store) -> Iterator[Score]:
        runs: dict[ArmLabel, list[PredictionsStage]] = {}
        for arm, stage in zip(self.arms, self.predictions, strict=True):
            runs.setdefault(arm, []).append(stage)
        for arm, stages in runs.items():
            chosen = stages[0]
            if len(stages) > 1:  # never by test videos
                chosen = max(stages, key=lambda stage: validation_accuracy(stage, store))
            yield from self._of_arm(arm, list(chosen.rows(store)))
        test = [s for s in self.videos.rows(store) if s.split == "test" and s.options]
        chance = sum(1 / len(s.options) for s in test) / max(1, len(test))
        interval = (chance, chance, chance)
        yield self._score(ArmLabel(name="chance"), "accuracy", NO_INTERVENTION, interval, len(test))

    def _of_arm(self, arm: ArmLabel, rows: Sequence[Prediction]) -> Iterator[Score]:
        """Yield the accuracy without an intervention first, then those with one."""
        interventions = dict.fromkeys(row.intervention for row in rows)
        for intervention in sorted(interventions, key=lambda name: name != NO_INTERVENTION):
            changed = [row for row in rows if row.intervention == intervention]
            for measure, counted, values in _measures(changed):
                interval = clustered_interval(values, [row.cluster for row in counted])
                yield self._score(arm, measure, intervention, interval, len(counted))

    def _score(
        self,
        arm: ArmLabel,
        measure: Measure,
        condition: str,
        interval: tuple[float, float, float],
        n: int,
    ) -> Score:
        value, low, high = interval
        return Score(
            id="/".join(filter(None, (arm.name, arm.variant, measure, condition))),
            arm=arm.name,
            variant=arm.variant,
            measure=measure,
            condition=condition,
            value=value,
            low=low,
            high=high,
            n=n,
            seed=self.seed,
        )


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


def validation_accuracy(stage: PredictionsStage, store: Store) -> float:
    """Return what a checkpoint reached on validation videos. Raises DataError without any."""
    (checkpoint,) = stage.checkpoint.rows(store)
    accuracy = phases_of(checkpoint)[-1]["diagnostics"].get("val_accuracy")
    if accuracy is None:
        raise DataError(
            f"expected validation questions to choose among trainings by, {stage.title} had none: "
            "give the questions a split `val` (videos.val_share), or train at one rate"
        )
    return accuracy


def as_json(scores: Iterable[Score]) -> dict[str, Any]:
    """Return the results as one JSON value.

    Returns:
        `{"arms": {name: ARM}, "chance": share}`, where an ARM has `accuracy`, `ci95`, `n`, `seed`,
        and if there are any, `interventions: {name: {accuracy, ci95, n}}` and
        `variants: {name: ARM}`. An intervention with a donor also has `follows_donor` and
        `follows_donor_if_other`, each `{share, ci95, n}`, and `sweeps:T` the `guess_accuracy` of
        theory, where the world can say.
    """
    arms: dict[str, dict[str, Any]] = {}
    chance = None
    for score in scores:
        if score.arm == "chance":
            chance = score.value
            continue
        arm = arms.setdefault(score.arm, {})
        if score.variant:
            arm = arm.setdefault("variants", {}).setdefault(score.variant, {})
        if score.condition == NO_INTERVENTION:
            arm.update(accuracy=score.value, ci95=[score.low, score.high], n=score.n)
            arm["seed"] = score.seed
        else:
            found = arm.setdefault("interventions", {}).setdefault(score.condition, {})
            interval = {"ci95": [score.low, score.high], "n": score.n}
            if score.measure == "accuracy":
                found.update(accuracy=score.value, **interval)
            elif score.measure == "guess_accuracy":
                found[score.measure] = score.value
            else:
                found[score.measure] = {"share": score.value, **interval}
    return {"arms": arms, "chance": chance}

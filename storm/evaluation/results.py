"""The stage `results`: every arm's accuracy, with intervals, and what interventions do to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from storm.artifacts.stage import Context, Stage
from storm.artifacts.store import Store
from storm.benchmarks.statistics import clustered_interval
from storm.evaluation.predictions import PredictionsStage
from storm.records import Prediction, Score
from storm.videos.stage import VideoStage


@dataclass(frozen=True, kw_only=True)
class ResultsStage(Stage[Score]):
    """Arms by name; where a name stands twice, the one with the better accuracy counts.

    An arm `direct/4` is the arm `direct` on videos with four swaps.
    """

    name: ClassVar[str] = "results"
    row: ClassVar[type] = Score
    indivisible: ClassVar[bool] = True

    videos: VideoStage
    predictions: tuple[PredictionsStage, ...]
    arms: tuple[str, ...]  # one for each of `predictions`
    seed: int

    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        digests = []
        for stage in self.predictions:
            digests += [f"{k}={v}" for k, v in sorted(stage.artifact(store).index().items())]
        return [(score.id, tuple(digests)) for score in self._scores(store)]

    def make(self, ids: Sequence[str], context: Context) -> Iterator[Score]:
        wanted = set(ids)
        yield from (s for s in self._scores(context.store) if s.id in wanted)

    def _scores(self, store: Store) -> Iterator[Score]:
        best: dict[str, list[Score]] = {}
        for arm, stage in zip(self.arms, self.predictions, strict=True):
            scores = [*self._of_arm(arm, list(stage.rows(store)))]
            if arm not in best or scores[0].value > best[arm][0].value:
                best[arm] = scores
        for scores in best.values():
            yield from scores
        test = [s for s in self.videos.rows(store) if s.split == "test" and s.options]
        chance = sum(1 / len(s.options) for s in test) / max(1, len(test))
        yield self._score("chance", "accuracy", chance, chance, chance, len(test))

    def _of_arm(self, arm: str, rows: Sequence[Prediction]) -> Iterator[Score]:
        kinds = dict.fromkeys(row.intervention for row in rows)
        for kind in sorted(kinds, key=lambda kind: kind != "none"):
            mine = [row for row in rows if row.intervention == kind]
            clusters = [row.video_id for row in mine]
            measure = "accuracy" if kind == "none" else kind
            found = clustered_interval([row.correct for row in mine], clusters)
            yield self._score(arm, measure, *found, len(mine))
            if any(row.donor_answer for row in mine):
                follows = [row.predicted == row.donor_answer for row in mine]
                found = clustered_interval(follows, clusters)
                yield self._score(arm, f"{kind}_follows_donor", *found, len(mine))

    def _score(
        self, arm: str, measure: str, value: float, low: float, high: float, n: int
    ) -> Score:
        return Score(
            id=f"{arm}/{measure}",
            arm=arm,
            measure=measure,
            value=value,
            low=low,
            high=high,
            n=n,
            seed=self.seed,
        )


def as_json(scores: Iterable[Score]) -> dict[str, Any]:
    """The results as one JSON value; the layout is in the README."""
    arms: dict[str, dict[str, Any]] = {}
    chance = None
    for score in scores:
        if score.arm == "chance":
            chance = score.value
            continue
        name, _, swaps = score.arm.partition("/")
        arm = arms.setdefault(name, {})
        if swaps:
            entry = {"accuracy": score.value, "ci95": [score.low, score.high], "n": score.n}
            arm.setdefault("by_swaps", {})[swaps] = entry
        elif score.measure == "accuracy":
            arm.update(accuracy=score.value, ci95=[score.low, score.high], n=score.n)
            arm["seed"] = score.seed
        else:
            arm.setdefault("interventions", {})[score.measure] = score.value
    return {"arms": arms, "chance": chance}

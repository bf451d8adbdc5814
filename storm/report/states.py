"""How far each stage of a run is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from storm.artifacts.journal import scan
from storm.artifacts.plan import is_settled
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.profiles import Run


@dataclass(frozen=True)
class StageState:
    """The state of one stage's artifact.

    Attributes:
        stage: The stage's title.
        path: The artifact's folder, there or not.
        state: `stale` is sealed, but an input, or one before it, holds other rows since or is
            being made.
        done: Rows made so far.
        items: Items that were planned; None without a plan.
        quarantined: Items left out for a reason.
    """

    stage: str
    path: Path
    state: Literal["sealed", "stale", "partial", "missing"]
    done: int
    items: int | None
    quarantined: int


def stage_states(run: Run) -> list[StageState]:
    """Return the state of every stage, inputs first."""
    return [_state_of(stage, run.store) for stage in run.graph]


def _state_of(stage: Stage[Any], store: Store) -> StageState:
    artifact = stage.artifact(store)
    if artifact.sealed:
        manifest = artifact.manifest()
        rows, quarantined = manifest["rows"], len(manifest["quarantined"])
        state = "sealed" if is_settled(stage, store) else "stale"
        return StageState(stage.title, artifact.path, state, rows, rows + quarantined, quarantined)
    if not artifact.has_plan:
        return StageState(stage.title, artifact.path, "missing", 0, None, 0)
    outcomes = [
        outcome
        for journal in artifact.path.glob("*.journal")
        for outcome in scan(journal, repair=False).values()
    ]
    quarantined = sum(outcome.rejected for outcome in outcomes)
    done, items = len(outcomes) - quarantined, len(artifact.plan().items)
    return StageState(stage.title, artifact.path, "partial", done, items, quarantined)

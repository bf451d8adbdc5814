"""The state of a stage's artifact, and why: the one place that decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from storm.artifacts.plan import changed_inputs
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.errors import NotSealed

State = Literal["missing", "partial", "damaged", "stale", "complete"]


@dataclass(frozen=True)
class Status:
    """The state of one stage's artifact.

    Attributes:
        state: `missing`: nothing was made. `partial`: begun, not sealed. `damaged`: sealed, but
            files are missing or differ. `stale`: sealed, but an input has other rows since, or
            is not complete itself. `complete`: sealed, from what its inputs hold.
        why: The reason, in a few words.
    """

    state: State
    why: str

    @property
    def complete(self) -> bool:
        """Whether there is nothing to do."""
        return self.state == "complete"


Known = dict[int, Status]


def status(stage: Stage[Any], store: Store, known: Known | None = None) -> Status:
    """Return the state of a stage's artifact; nothing on disk changes.

    Sizes and times of files are compared, contents only where a time differs. An input that is
    missing altogether does not make a stage stale: what was made from it is still good.

    Args:
        stage: The stage.
        store: Where its artifact is.
        known: States found so far, by `id(stage)`; pass one dict for all stages of a graph.

    Raises:
        StoreError: If the artifact has the format of another release.
    """
    known = {} if known is None else known
    if id(stage) not in known:
        known[id(stage)] = _status(stage, store, known)
    return known[id(stage)]


def _status(stage: Stage[Any], store: Store, known: Known) -> Status:
    artifact = stage.artifact(store)
    if not artifact.has_manifest():
        if artifact.has_plan():
            return Status("partial", f"{artifact.path.name} was begun and never finished")
        return Status("missing", f"{artifact.path.name} was never made")
    try:
        artifact.manifest()
    except NotSealed:
        return Status("damaged", "manifest.json can't be read")
    if damaged := artifact.damaged(thorough=False):
        return Status("damaged", f"{len(damaged)} files are damaged, first {damaged[0]}")
    if changed := changed_inputs(stage, store):
        return Status("stale", f"other rows than it was made from in {', '.join(changed)}")
    for needed in stage.inputs.values():
        state = status(needed, store, known).state
        if state not in ("complete", "missing"):
            return Status("stale", f"{needed.title} is {state}")
    return Status("complete", artifact.path.name)

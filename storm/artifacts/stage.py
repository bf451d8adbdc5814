"""Stage: a unit of the pipeline with an identity, and what it takes to make it.

A stage is a frozen dataclass. Fields typed as a Stage are its inputs; fields marked with
`not_identity()` say how it runs; every other field is configuration.

    recipe      = sha256(name, version, configuration)
    fingerprint = sha256(recipe, the inputs' fingerprints, digests of outside files)
    item key    = sha256(recipe, id, digests of its upstream rows)

A stage reads sealed inputs only and is made shard by shard; see `execution.py`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from storm.artifacts.artifact import Artifact
from storm.artifacts.fs import digest
from storm.artifacts.store import Store
from storm.process.run_child import Event
from storm.records import Rejected
from storm.runtime import Runtime

Row = TypeVar("Row")
OnEvent = Callable[[Event], None]


def not_identity(default: Any) -> Any:
    """A field that says how a stage runs or is shown, never what it makes."""
    return field(default=default, metadata={"identity": False})


def canonical(value: Any) -> Any:
    """A JSON value that stands for `value`; TypeError if there is none.

    A configuration whose fields are not its identity (a path, say) has a method `identity`.
    """
    if isinstance(value, BaseModel):
        identity = getattr(value, "identity", None)
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        return canonical(identity() if identity else fields)
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}: {value!r}")


@dataclass(frozen=True)
class Context:
    """What `make` may use."""

    store: Store
    artifact: Artifact
    runtime: Runtime
    emit: OnEvent  # progress: {"progress": done, "of": total, "text": ...}
    begin: Callable[[Sequence[str]], None]  # these items are in flight now
    batch: int  # how many items to take at once
    solo: bool = False  # a child died: one item at a time, so that the next death has one cause

    def each(self, ids: Sequence[str]) -> Iterator[str]:
        """`ids` one by one, each announced before it is handed out."""
        for item_id in ids:
            self.begin([item_id])
            yield item_id

    def batches(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        """`ids` in batches, each announced before it is handed out."""
        for at in range(0, len(ids), self.batch):
            self.begin(ids[at : at + self.batch])
            yield ids[at : at + self.batch]


@dataclass(frozen=True, kw_only=True)
class Stage(ABC, Generic[Row]):
    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the rows for one configuration change
    row: ClassVar[type]
    indivisible: ClassVar[bool] = False  # one item; if it fails, the stage fails

    label: str = not_identity("")
    shards: int = not_identity(1)
    quarantine_share: float = not_identity(0.05)

    @abstractmethod
    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Every item's id and the digests of the upstream rows that it is made from."""

    @abstractmethod
    def make(self, ids: Sequence[str], context: Context) -> Iterator[Row | Rejected]:
        """One outcome for each id, in any order. Runs in a child process."""

    def outside(self) -> dict[str, Any]:
        """What else decides which items there are: digests of files that no stage made, counts."""
        return {}

    def groups(self, store: Store) -> Mapping[str, str]:
        """By id, the name of a group: its items are made in one shard. Others go alone."""
        return {}

    def blob_of(self, row: Row) -> tuple[str, str] | None:
        """Path (relative to the artifact) and sha256 of the file or folder that a row refers to."""
        blob = getattr(row, "blob", None)
        return None if blob is None else (blob, getattr(row, "sha256"))  # noqa: B009

    def rejected(self) -> Iterable[Rejected]:
        """Input entries that never became items; recorded in the manifest."""
        return ()

    def facts(self, store: Store) -> dict[str, Any]:
        """What else the manifest records once all is made: counts, costs. No identity."""
        return {}

    @property
    def title(self) -> str:
        return f"{self.name}/{self.label}" if self.label else self.name

    @cached_property
    def inputs(self) -> dict[str, Stage[Any]]:
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        found = {k: v for k, v in values.items() if isinstance(v, Stage)}
        for k, v in values.items():
            if isinstance(v, tuple) and v and all(isinstance(s, Stage) for s in v):
                found.update({f"{k}[{i}]": s for i, s in enumerate(v)})
        return found

    @cached_property
    def configuration(self) -> dict[str, Any]:
        chosen = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            is_input = f.name in self.inputs or f"{f.name}[0]" in self.inputs
            if f.metadata.get("identity", True) and not is_input:
                chosen[f.name] = canonical(value)
        return chosen

    @cached_property
    def recipe(self) -> str:
        return digest([self.name, self.version, self.configuration])

    @cached_property
    def fingerprint(self) -> str:
        inputs = {name: stage.fingerprint for name, stage in self.inputs.items()}
        return digest([self.recipe, inputs, self.outside()])

    def artifact(self, store: Store) -> Artifact:
        return store.artifact(self.name, self.fingerprint)

    def rows(self, store: Store, ids: Collection[str] | None = None) -> Iterator[Row]:
        """The sealed rows, all or those of some ids."""
        return self.artifact(store).rows(self.row, ids)

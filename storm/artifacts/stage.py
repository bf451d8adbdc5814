"""Stage: a unit of the pipeline with an identity.

A stage is a frozen dataclass. Fields typed as a Stage are its inputs; fields marked with
`runtime_field()` say how it runs; every other field is configuration.

    recipe      = sha256(name, version, configuration)
    fingerprint = sha256(recipe, the inputs' fingerprints, external inputs)
    item key    = sha256(recipe, id, digests of its upstream rows)

A stage reads sealed inputs only and is made shard by shard; see `make.py`.
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
from storm.plugins import component_errors
from storm.process.child import Event
from storm.records import Rejected
from storm.runtime import Runtime

Row = TypeVar("Row")
OnEvent = Callable[[Event], None]


def runtime_field(default: Any) -> Any:
    """Declare a field that says how a stage runs or is shown, never what it makes."""
    return field(default=default, metadata={"identity": False})


def canonical(value: Any) -> Any:
    """Return a JSON value that identifies `value`; raise TypeError if there is none.

    A configuration whose fields are not its identity (a path, say) has a method `identity`.
    """
    if isinstance(value, BaseModel):
        identity = getattr(value, "identity", None)
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        expected = f"expected text, numbers, lists or mappings in {type(value).__qualname__}"
        with component_errors(expected):
            return canonical(identity() if identity else fields)
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise TypeError(f"no canonical form for {type(value).__name__}: {value!r}")


@dataclass(frozen=True, kw_only=True)
class Context:
    """Context passed to `Stage.make`."""

    store: Store
    artifact: Artifact
    runtime: Runtime
    emit: OnEvent  # progress: {"progress": done, "of": total, "text": ...}
    begin: Callable[[Sequence[str]], None]  # these items are in flight now
    batch: int  # how many items to take at once
    one_at_a_time: bool = False  # a child died: so that the next death has a single suspect

    def each(self, ids: Sequence[str]) -> Iterator[str]:
        """Yield `ids` one by one, each announced before it is begun."""
        for item_id in ids:
            self.begin([item_id])
            yield item_id

    def batches(self, ids: Sequence[str]) -> Iterator[Sequence[str]]:
        """Yield `ids` in batches, each announced before it is begun."""
        for at in range(0, len(ids), self.batch):
            self.begin(ids[at : at + self.batch])
            yield ids[at : at + self.batch]


@dataclass(frozen=True, kw_only=True)
class Stage(ABC, Generic[Row]):
    """A unit of the pipeline: rows of one type, made item by item from its inputs' rows."""

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raise it when the rows for one configuration change
    row: ClassVar[type]
    single_item: ClassVar[bool] = False  # one item; if it fails, the stage fails

    label: str = runtime_field("")
    shards: int = runtime_field(1)
    quarantine_share: float = runtime_field(0.05)

    @abstractmethod
    def items(self, store: Store) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Return every item's id and the digests of the upstream rows it is made from."""

    @abstractmethod
    def make(self, ids: Sequence[str], context: Context) -> Iterator[Row | Rejected]:
        """Yield one outcome for each id, in any order. Runs in a child process."""

    def external_inputs(self) -> dict[str, Any]:
        """Return what else decides which items there are: digests of files, counts.

        Only what no stage has made; it may read files.
        """
        return {}

    def colocate(self, store: Store) -> Mapping[str, str]:
        """Return group names by id; the items of a group are made in one shard."""
        return {}

    def blob_of(self, row: Row) -> tuple[str, str] | None:
        """Return path (below the artifact) and sha256 of the file or folder a row refers to."""
        blob = getattr(row, "blob", None)
        return None if blob is None else (blob, getattr(row, "sha256"))  # noqa: B009

    def rejected(self) -> Iterable[Rejected]:
        """Return input entries that never became items; the manifest records them."""
        return ()

    def extra_manifest(self, store: Store) -> dict[str, Any]:
        """Return what else the manifest records: counts, costs. It is no part of the identity."""
        return {}

    @property
    def title(self) -> str:
        """Name and label, e.g. `stage_one/shuffled`."""
        return f"{self.name}/{self.label}" if self.label else self.name

    @cached_property
    def inputs(self) -> dict[str, Stage[Any]]:
        """The stages in this one's fields, by field."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        stages = {k: v for k, v in values.items() if isinstance(v, Stage)}
        for k, v in values.items():
            if isinstance(v, tuple) and v and all(isinstance(s, Stage) for s in v):
                stages.update({f"{k}[{i}]": s for i, s in enumerate(v)})
        return stages

    @cached_property
    def configuration(self) -> dict[str, Any]:
        """The fields that decide what is made, as JSON values."""
        fields = {}
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            is_input = f.name in self.inputs or f"{f.name}[0]" in self.inputs
            if f.metadata.get("identity", True) and not is_input:
                fields[f.name] = canonical(value)
        return fields

    @cached_property
    def recipe(self) -> str:
        """Digest of name, version and configuration."""
        return digest([self.name, self.version, self.configuration])

    def fingerprint(self) -> str:
        """Return the identity of the stage's artifact; the first call reads external inputs.

        It is kept, and travels with the stage to child processes.
        """
        fields = vars(self)  # a frozen dataclass takes no new attribute
        if "_fingerprint" not in fields:
            inputs = {name: stage.fingerprint() for name, stage in self.inputs.items()}
            value = digest([self.recipe, inputs, self.external_inputs()])
            fields["_fingerprint"] = value
        return fields["_fingerprint"]

    def artifact(self, store: Store) -> Artifact:
        """Return the stage's artifact, made or not."""
        return store.artifact(self.name, self.fingerprint())

    def rows(self, store: Store, ids: Collection[str] | None = None) -> Iterator[Row]:
        """Yield the sealed rows, all or only those of some ids."""
        return self.artifact(store).rows(self.row, ids)

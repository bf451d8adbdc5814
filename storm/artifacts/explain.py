"""Say why a stage is cached or has to run: what differs from the newest artifact of its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storm.artifacts.stage import Stage
from storm.artifacts.status import status
from storm.artifacts.store import Store
from storm.errors import NotSealed


def reasons(stage: Stage[Any], store: Store) -> Iterator[str]:
    """Yield lines for a person; the first says whether the stage has to run."""
    current = status(stage, store)
    if current.complete:
        yield f"{stage.title} is cached: {current.why}"
        return
    yield f"{stage.title} has to run: {current.why}"
    if current.state in ("missing", "partial"):
        yield from _against_newest(stage, store)


def _against_newest(stage: Stage[Any], store: Store) -> Iterator[str]:
    """Yield what differs from the newest sealed artifact of the same name."""
    newest = _newest(stage, store)
    if newest is None:
        yield "  nothing of this name was sealed before"
        return
    yield f"  newest: {newest['fingerprint'][:16]}, sealed at {newest['sealed_at']}"
    old, new = _flat(newest["configuration"]), _flat(stage.configuration)
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield f"  {name}: {old.get(name)!r} -> {new.get(name)!r}"
    if newest["version"] != stage.version:
        yield f"  version of its rows: {newest['version']} -> {stage.version}"
    if newest["external_inputs"] != stage.external_inputs():
        yield f"  from outside: {newest['external_inputs']} -> {stage.external_inputs()}"
    for name, needed in stage.inputs.items():
        entry = newest["inputs"].get(name)
        before, now = entry and entry[1], needed.fingerprint()
        if before != now:
            yield f"  input {name}: {before and before[:16]} -> {now[:16]}"
            yield from (f"    {line}" for line in reasons(needed, store))


def _newest(stage: Stage[Any], store: Store) -> dict[str, Any] | None:
    """Return the newest manifest of the stage's name, of its label too if there is one."""
    manifests = []
    for artifact in store.with_manifest(stage.name):
        try:
            manifests.append(artifact.manifest())
        except NotSealed:  # it can't be read
            continue
    manifests.sort(key=lambda m: (m["label"] == stage.label, m["sealed_at"]))
    return manifests[-1] if manifests else None


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Return a nested configuration as `a.b.c` -> value."""
    if isinstance(value, list):
        value = {str(n): v for n, v in enumerate(value)}
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat.update(_flat(inner, f"{name}.{key}" if name else key))
    return flat

"""Why a stage is cached or has to run: what differs from the newest artifact of its name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from storm.artifacts.plan import contents
from storm.artifacts.stage import Stage
from storm.artifacts.store import Store
from storm.errors import NotSealed


def reasons(stage: Stage[Any], store: Store) -> Iterator[str]:
    """Lines for a person; the first says whether it has to run. Inputs that differ follow."""
    artifact = stage.artifact(store)
    if not artifact.has_manifest:
        planned = ", it was begun" if artifact.has_plan else ""
        yield f"{stage.title} has to run: {artifact.path.name} was never finished{planned}"
        yield from _against_newest(stage, store)
        return
    damaged = artifact.damaged(thorough=False)
    planned_from = artifact.planned_from()
    changed = [k for k, now in contents(stage, store).items() if planned_from.get(k) != now]
    if damaged:
        yield f"{stage.title} has to run: {len(damaged)} files are damaged, first {damaged[0]}"
    elif changed:
        yield f"{stage.title} has to run: other rows than it was made from in {', '.join(changed)}"
    else:
        yield f"{stage.title} is cached: {artifact.path.name}"


def _against_newest(stage: Stage[Any], store: Store) -> Iterator[str]:
    """What differs from the newest sealed artifact of the same name."""
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
    if newest["outside"] != stage.outside():
        yield f"  from outside: {newest['outside']} -> {stage.outside()}"
    for name, needed in stage.inputs.items():
        found = newest["inputs"].get(name)
        if found is None or found[1] != needed.fingerprint:
            yield f"  input {name}: {found and found[1][:16]} -> {needed.fingerprint[:16]}"
            yield from (f"    {line}" for line in reasons(needed, store))


def _newest(stage: Stage[Any], store: Store) -> dict[str, Any] | None:
    """The newest manifest of the stage's name and, if there is one, of its label too."""
    manifests = []
    for artifact in store.sealed_once(stage.name):
        try:
            manifests.append(artifact.manifest())
        except NotSealed:  # its manifest can't be read
            continue
    manifests.sort(key=lambda m: (m["label"] == stage.label, m["sealed_at"]))
    return manifests[-1] if manifests else None


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """A nested configuration as `a.b.c` -> value."""
    if isinstance(value, list):
        value = {str(n): v for n, v in enumerate(value)}
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found.update(_flat(inner, f"{name}.{key}" if name else key))
    return found

"""Find damaged files, and delete them so that the next run makes only those again."""

from __future__ import annotations

from storm.artifacts.artifact import Artifact
from storm.errors import NotSealed, StoreError


def damaged_files(artifact: Artifact) -> list[str]:
    """Read everything sealed and return the damaged files, manifest and plan included."""
    damaged = []
    if artifact.has_manifest():
        try:
            artifact.manifest()  # refuses another format
        except NotSealed:
            damaged.append("manifest.json")
        damaged += artifact.damaged(thorough=True)
    if artifact.has_plan():
        try:
            artifact.plan()
        except StoreError:
            damaged.append("plan.json")
    return damaged


def repair(artifact: Artifact) -> list[str]:
    """Delete damaged files so that the next run makes them again; return their names.

    Raises:
        WorkspaceBusy: While someone makes the artifact.
    """
    with artifact.locked_exclusively():
        damaged = damaged_files(artifact)
        metadata = {"manifest.json", "plan.json"} & set(damaged)
        if metadata and len(damaged) > len(metadata):  # nothing is left that says what to keep
            artifact.clear()
        elif metadata:  # whole rows are reused from here when it is planned again
            artifact.reopen()
        _delete(artifact, damaged)  # a manifest that stays shows the next run what is missing
        return damaged


def reopen_damaged(artifact: Artifact) -> None:
    """Take the seal back and delete what a glance shows damaged; the rest can be reused."""
    damaged = artifact.damaged(thorough=False) if artifact.has_manifest() else []
    artifact.reopen()
    _delete(artifact, damaged)


def _delete(artifact: Artifact, names: list[str]) -> None:
    for name in names:
        (artifact.path / name).unlink(missing_ok=True)

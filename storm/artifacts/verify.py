"""Bit rot: what of an artifact is damaged, and how the next run comes to make only that again."""

from __future__ import annotations

from storm.artifacts.artifact import Artifact
from storm.errors import NotSealed, StoreError


def faults(artifact: Artifact) -> list[str]:
    """Everything sealed is read: the files that are damaged, manifest and plan among them."""
    bad = []
    if artifact.has_manifest:
        try:
            artifact.manifest()  # refuses another format
        except NotSealed:
            bad.append("manifest.json")
        bad += artifact.damaged(thorough=True)
    if artifact.has_plan:
        try:
            artifact.plan()
        except StoreError:
            bad.append("plan.json")
    return bad


def repair(artifact: Artifact) -> list[str]:
    """Remove what is damaged, so that the next run makes it again; its names.

    Raises WorkspaceBusy while someone makes the artifact.
    """
    with artifact.alone():
        bad = faults(artifact)
        books = {"manifest.json", "plan.json"} & set(bad)
        if books and len(bad) > len(books):  # nothing is left that says what can be kept
            artifact.clear()
        elif books:  # whole rows are taken over from here when it is planned again
            artifact.unseal()
        for name in bad:  # a manifest that stays shows the next run what is missing
            (artifact.path / name).unlink(missing_ok=True)
        return bad


def drop_damaged(artifact: Artifact) -> None:
    """Take the seal back and remove what a glance shows damaged; the rest can be taken over."""
    bad = artifact.damaged(thorough=False) if artifact.has_manifest else []
    artifact.unseal()
    for name in bad:
        (artifact.path / name).unlink(missing_ok=True)

"""The number of a run that says whether every latent holds a state and is updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storm.evaluation.intervention_names import PATCH, SWEEPS, number_of


@dataclass(frozen=True)
class WeakestPatch:
    """The slot whose patch the answers follow least.

    Attributes:
        slot: From 1.
        slots: How many slots were patched.
        share: Of the answers that are what the donor's state leads to, 0 to 1.
        ci95: The 95 % interval of the share.
        n: Number of questions.
    """

    slot: int
    slots: int
    share: float
    ci95: tuple[float, float]
    n: int


def weakest_patch(arm: Mapping[str, Any]) -> WeakestPatch | None:
    """Return the weakest slot of an arm of `results.as_json`; None if no patch was predicted."""
    patches = {
        slot: found["follows_donor"]
        for slot, found in by_step(arm, PATCH).items()
        if "follows_donor" in found
    }
    if not patches:
        return None
    slot = min(patches, key=lambda slot: patches[slot]["share"])
    low, high = patches[slot]["ci95"]
    return WeakestPatch(slot, len(patches), patches[slot]["share"], (low, high), patches[slot]["n"])


def by_step(arm: Mapping[str, Any], kind: str) -> dict[int, dict[str, Any]]:
    """Return an arm's interventions `kind:number` by their number, in rising order."""
    numbered = {number_of(kind, name): shares for name, shares in _interventions(arm).items()}
    return {number: numbered[number] for number in sorted(n for n in numbered if n is not None)}


def whole_span(arm: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return an arm's other interventions, which change all latents at once."""
    kinds = (PATCH, SWEEPS)
    return {
        name: shares
        for name, shares in _interventions(arm).items()
        if all(number_of(kind, name) is None for kind in kinds)
    }


def _interventions(arm: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return arm.get("interventions", {})

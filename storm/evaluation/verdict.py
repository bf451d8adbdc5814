"""Whether a student reasons through its latents: three numbers and a sentence.

The evidence is causal and comparative. A patched slot must carry its donor's state on, swapped
latents must carry the donor's answer, and the student must beat plain fine-tuning, latents that
were never aligned, and targets that can't help.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from storm.benchmarks.paired import LEVEL, MIN_CLUSTERS
from storm.evaluation.intervention_names import ORACLE, SWAP
from storm.evaluation.patching import weakest_patch

RIVALS = ("direct", "dummy", "control")  # the roles of arms that have to be beaten


@dataclass(frozen=True)
class Gap:
    """A difference in accuracy, -1 to 1, with its 95 % interval and corrected p."""

    against: str
    value: float
    ci95: tuple[float, float]
    p: float
    clusters: int

    @property
    def beaten(self) -> bool:
        """Whether the main arm is better at 5 %; never with fewer than ten clusters."""
        return self.value > 0 and self.p < LEVEL and self.clusters >= MIN_CLUSTERS


@dataclass(frozen=True)
class Verdict:
    """The outcome of a run.

    Attributes:
        ceiling: Oracle latents minus direct: what perfect latents would be worth.
        reached: Own latents minus direct: what the student got of it.
        bypass: Own minus the best arm whose latents were never aligned: what only the content of
            the latents explains.
        beaten: The arms of `RIVALS` that the student beats.
        not_beaten: Those that it doesn't.
        checks: Whether patching, swapped latents and the arms say that it reasons through its
            latents; None where that was not measured.
    """

    ceiling: Gap | None
    reached: Gap | None
    bypass: Gap | None
    beaten: tuple[str, ...]
    not_beaten: tuple[str, ...]
    checks: Mapping[str, bool | None]

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        against = [name for name, holds in self.checks.items() if holds is False]
        missing = [name for name, holds in self.checks.items() if holds is None]
        if against:
            return f"does not reason through its latents, as {_list(against)} say"
        if missing:
            return f"no verdict: {_list(missing)} not measured"
        return f"reasons through its latents: {_list(list(self.checks))} all say so"


def verdict(results: Mapping[str, Any]) -> Verdict:
    """Return the verdict on the main arm of `results.as_json`."""
    arms = results["arms"]
    gaps = {
        (d["condition"], d["against"]): Gap(
            d["against"], d["value"], (d["ci95"][0], d["ci95"][1]), d["p"], d["clusters"]
        )
        for d in results["differences"]
    }
    own = {against: gap for (condition, against), gap in gaps.items() if condition != ORACLE}
    to_beat = [gap for name, gap in own.items() if arms[name]["role"] in RIVALS]
    direct = [name for name, arm in arms.items() if arm["role"] == "direct"]
    dummies = [gap for name, gap in own.items() if arms[name]["role"] == "dummy"]
    main = next((arm for arm in arms.values() if arm["role"] == "main"), {})
    return Verdict(
        ceiling=_smallest([gaps[ORACLE, name] for name in direct if (ORACLE, name) in gaps]),
        reached=_smallest([own[name] for name in direct if name in own]),
        bypass=_smallest(dummies),
        beaten=tuple(gap.against for gap in to_beat if gap.beaten),
        not_beaten=tuple(gap.against for gap in to_beat if not gap.beaten),
        checks={
            "patched slots": _patched(main),
            "swapped latents": _swapped(main),
            "the other arms": _arms_say(arms, to_beat),
        },
    )


def _smallest(gaps: Sequence[Gap]) -> Gap | None:
    """Return the difference from the best of the other arms."""
    return min(gaps, key=lambda gap: gap.value, default=None)


def _patched(main: Mapping[str, Any]) -> bool | None:
    """Return whether most answers follow the donor's state, at the weakest slot."""
    weakest = weakest_patch(main)
    return None if weakest is None else weakest.ci95[0] > 0.5


def _swapped(main: Mapping[str, Any]) -> bool | None:
    """Return whether most answers are the donor's, when all latents are."""
    follows = main.get("interventions", {}).get(SWAP, {}).get("follows_donor")
    return None if follows is None else follows["ci95"][0] > 0.5


def _arms_say(arms: Mapping[str, Any], to_beat: Sequence[Gap]) -> bool | None:
    """Return whether direct, and all dummies and controls, of which one is needed, are beaten.

    None with fewer than ten clusters, or where such arms are missing.
    """
    roles = {arms[gap.against]["role"] for gap in to_beat}
    if any(gap.clusters < MIN_CLUSTERS for gap in to_beat):
        return None
    if not all(gap.beaten for gap in to_beat):
        return False
    return True if "direct" in roles and len(roles) > 1 else None


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def verdict_lines(results: Mapping[str, Any]) -> list[str]:
    """Return the verdict as lines of text, differences in points of accuracy."""
    found = verdict(results)
    lines = []
    for name, gap, of in (
        ("ceiling", found.ceiling, "oracle latents minus"),
        ("reached", found.reached, "own latents minus"),
        ("bypass", found.bypass, "own latents minus"),
    ):
        said = "not measured"
        if gap is not None:
            low, high = (100 * end for end in gap.ci95)
            said = f"{100 * gap.value:+.1f} ({low:+.1f} to {high:+.1f}), {of} {gap.against}"
        lines.append(f"{name + ':':<9} {said}")
    lines.append(f"beaten:   {', '.join(found.beaten) or 'none'}")
    if found.not_beaten:
        lines.append(f"not beaten: {', '.join(found.not_beaten)}")
    lines.append(f"verdict:  the student {found.sentence}")
    return lines

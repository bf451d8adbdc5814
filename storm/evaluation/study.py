"""One comparison over the results of several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from storm.artifacts.store import Store
from storm.benchmarks.paired import Pair, paired_differences
from storm.evaluation.intervention_names import ORACLE
from storm.evaluation.results import Compared, ResultsStage, as_json, pairs_of


def study_of(runs: Sequence[tuple[ResultsStage, Store]]) -> dict[str, Any]:
    """Return each arm's accuracy by seed, and the main arm's differences over all seeds.

    Questions of all seeds are put together; those of one cluster stay dependent. All differences
    are one family for Holm's correction.

    Returns:
        `{"arms": {name: {role, accuracy: [a seed each], steps: [a seed each]}}, "differences":
        [{condition, against, value, ci95, p, n, clusters}], "chance": share}`.
    """
    arms: dict[str, dict[str, Any]] = {}
    family: dict[Compared, list[Pair]] = {}
    chance = None
    for stage, store in runs:
        results = as_json(stage.rows(store))
        chance = results["chance"]
        for name, arm in results["arms"].items():
            told = arms.setdefault(name, {"role": arm["role"], "accuracy": [], "steps": []})
            told["accuracy"].append(arm["accuracy"])
            told["steps"].append(arm["steps"])
            oracle = arm.get("interventions", {}).get(ORACLE)
            if oracle is not None:
                told.setdefault(ORACLE, []).append(oracle["accuracy"])
        for compared, pairs in pairs_of(stage.answers(store)).items():
            family.setdefault(compared, []).extend(pairs)
    differences = [
        {
            "condition": compared.condition,
            "against": compared.against,
            "value": found.value,
            "ci95": [found.low, found.high],
            "p": found.p_holm,
            "n": found.n,
            "clusters": found.clusters,
        }
        for compared, found in paired_differences(family).items()
    ]
    return {"arms": arms, "differences": differences, "chance": chance}

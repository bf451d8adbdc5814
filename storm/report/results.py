"""The results of a run: one JSON value, or tables."""

from __future__ import annotations

import shlex
from typing import Any

from storm.errors import NotSealed
from storm.evaluation.intervention_names import PATCH, SWEEPS
from storm.evaluation.patching import by_step, weakest_patch, whole_span
from storm.evaluation.results import as_json
from storm.profiles import Run

Table = list[list[str]]


def read_results(run: Run) -> dict[str, Any]:
    """Return `{"arms": {name: {accuracy, ci95, n, seed, ...}}, "chance": ...}`.

    Accuracies are shares from 0 to 1.

    Raises:
        NotSealed: If the results are not made yet.
    """
    stage = run.graph.find("results")
    if not stage.artifact(run.store).is_sealed():
        raise NotSealed(
            f"expected results under {run.store.root}, found none of this profile; "
            f"run: storm run {shlex.join(run.options)}"
        )
    return as_json(stage.rows(run.store))


def results_tables(results: dict[str, Any]) -> list[Table]:
    """Return the tables of all questions, then those of each kind if there are several."""
    tables = _tables(results)
    for kind, found in results.get("kinds", {}).items():
        for (first, *others), *rows in _tables(found):
            tables.append([[f"{kind}: {first}", *others], *rows])
    return tables


def _tables(results: dict[str, Any]) -> list[Table]:
    """Return the arms, then what patches and sweeps do to those that have some."""
    arms = results["arms"].items()
    patches = [patch_table(name, patched) for name, arm in arms if (patched := by_step(arm, PATCH))]
    sweeps = [sweep_table(name, swept) for name, arm in arms if (swept := by_step(arm, SWEEPS))]
    return [results_table(results), *patches, *sweeps]


def results_table(results: dict[str, Any]) -> Table:
    """Return the arms as rows of text, the header first; accuracies in percent."""
    rows = [["arm", "accuracy %", "95 % interval", "questions"]]
    for name, arm in results["arms"].items():
        rows.append([name, *_share(arm["accuracy"], arm)])
        weakest = weakest_patch(arm)
        if weakest is not None:
            text = f"  one latent patched: answer follows, of {weakest.slots} slots at least"
            interval = {"ci95": weakest.ci95, "n": weakest.n}
            rows.append([text, *_share(weakest.share, interval)])
        for intervention, found in whole_span(arm).items():
            text = f"  latents {intervention}"
            rows.append([text, *_share(found["accuracy"], found)])
            if follows := found.get("follows_donor"):
                text = f"{text}: answer follows the donor"
                rows.append([text, *_share(follows["share"], follows)])
    if results["chance"] is not None:
        rows.append(["chance", _percent(results["chance"]), "", ""])
    return rows


def patch_table(arm: str, patches: dict[int, dict[str, Any]]) -> Table:
    """Return a row for each slot at which a donor's latent was put in.

    The answer follows if it is what the donor's state leads to; the middle columns count only
    questions where that is another answer than the question's own.
    """
    rows = [
        [
            *(f"{arm}: slot patched", "answer follows %", "95 % interval", "questions"),
            *("if it is another %", "95 % interval", "questions", "own answer %"),
        ]
    ]
    for slot, found in patches.items():
        cells = [str(slot)]
        for measure in ("follows_donor", "follows_donor_if_other"):
            shares = found.get(measure)
            cells += ["", "", ""] if shares is None else _share(shares["share"], shares)
        rows.append([*cells, _percent(found["accuracy"])])
    return rows


def sweep_table(arm: str, sweeps: dict[int, dict[str, Any]]) -> Table:
    """Return a row for each number of Jacobi sweeps.

    The guesser knows only the events of as many last latents as there are sweeps.
    """
    rows = [[f"{arm}: sweeps", "accuracy %", "95 % interval", "questions", "best guesser %"]]
    for count, found in sweeps.items():
        guess = found.get("guess_accuracy")
        cells = _share(found["accuracy"], found)
        rows.append([str(count), *cells, "" if guess is None else _percent(guess)])
    return rows


def _share(share: float, counted: dict[str, Any]) -> list[str]:
    """Return a share in percent, its interval, and the number of questions."""
    low, high = counted["ci95"]
    return [_percent(share), f"{100 * low:.1f} to {100 * high:.1f}", str(counted["n"])]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"

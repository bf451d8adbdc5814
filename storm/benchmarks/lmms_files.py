"""Write a run in lmms-eval's format: `<date>_results.json`, `<date>_samples_<task>.jsonl`."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from hashlib import sha256
from math import isnan
from pathlib import Path
from typing import Any

from storm.artifacts.fs import write_atomic
from storm.benchmarks.harness.harness import percentage
from storm.benchmarks.rules.cleaning import REASONING_TAGS
from storm.benchmarks.scoring import ScoredRun
from storm.benchmarks.statistics import clustered_error
from storm.benchmarks.types import ScoredResponse

LMMS_ZONE = timezone(timedelta(hours=8))  # of the times in its file names
_FILTER = "none"  # its name for unfiltered responses


def write_lmms_files(
    run: ScoredRun,
    folder: Path,
    model: str,
    prompts: Mapping[str, str] | None = None,
    when: datetime | None = None,
) -> Path:
    """Write the run under `folder/<model>/`.

    lmms-eval's metric names are used only for its own rules; another scorer's numbers are written
    under the scorer's name.

    Args:
        run: Scored responses.
        folder: Is made if needed.
        model: The model's name or path.
        prompts: By question id, the model's prompts.
        when: For the file names; None: now.

    Returns:
        The path of `_results.json`.
    """
    place = folder / re.sub(r'["<>:/\\|?*\[\]]+', "__", "/".join(model.split("/")[-2:]))
    place.mkdir(parents=True, exist_ok=True)
    clock = when or datetime.now(LMMS_ZONE)
    date = clock.strftime("%Y%m%d_%H%M%S")
    parts: dict[str, list[ScoredResponse]] = defaultdict(list)
    for response in run.scored:
        parts[run.benchmark.harness.task_name(response.task)].append(response)
    results: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for task, members in parts.items():
        samples = [
            _sample(run, number, response, (prompts or {}).get(response.id, ""))
            for number, response in enumerate(members)
        ]
        lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
        write_atomic(place / f"{date}_samples_{task}.jsonl", lines.encode())
        results[task] = _results(run, task, members)
        hashes[task] = _sha256("".join(f"sample_{i}{s['doc_hash']}" for i, s in enumerate(samples)))
    whole = {
        "results": results,
        "group_subtasks": {run.benchmark.name: list(parts)},
        "configs": {
            task: {"task": task, "metadata": dict(run.settings), "reasoning_tags": _tags()}
            for task in parts
        },
        "versions": dict.fromkeys(parts, "Yaml"),
        "n-shot": dict.fromkeys(parts, 0),
        "higher_is_better": {t: dict.fromkeys(_metrics(run, parts[t]), True) for t in parts},
        "n-samples": {t: {"original": len(m), "effective": len(m)} for t, m in parts.items()},
        "config": {"model": "storm", "model_args": f"pretrained={model}", "scorer": run.scorer},
        "date": date,
        "task_hashes": hashes,
        "model_source": "storm",
        "model_name": model,
        "model_name_sanitized": place.name,
    }
    path = place / f"{date}_results.json"
    write_atomic(path, json.dumps(whole, indent=2, ensure_ascii=False).encode())
    return path


def _tags() -> list[list[str]]:
    return [[f"<{tag}>", f"</{tag}>"] for tag in REASONING_TAGS]


def _sample(run: ScoredRun, number: int, response: ScoredResponse, prompt: str) -> dict[str, Any]:
    """Return a line as lmms-eval writes it: `resps` only if cleaning changed something."""
    doc = dict(response.question.doc)
    sample: dict[str, Any] = {
        "doc_id": number,
        "target": str(response.question.answer),
        "filtered_resps": response.response,
        "token_counts": [None],
        "doc_hash": _sha256(json.dumps(doc, ensure_ascii=False, default=str)),
        "input": prompt,
    }
    if response.raw != response.response:
        sample["resps"] = [response.raw]
    return sample | _metrics_of(run, response)


def _metrics_of(run: ScoredRun, response: ScoredResponse) -> dict[str, Any]:
    if run.scorer == "lmms_eval":
        return run.benchmark.harness.sample(response)
    return {run.scorer: {"score": response.score, "extracted": response.extracted}}


def _metrics(run: ScoredRun, members: Sequence[ScoredResponse]) -> list[str]:
    return list(dict.fromkeys(name for response in members for name in _metrics_of(run, response)))


def _results(run: ScoredRun, task: str, members: Sequence[ScoredResponse]) -> dict[str, Any]:
    """Return values and errors of one task, as `metric,filter`; N/A if nothing was scored."""
    results: dict[str, Any] = {"alias": task, "samples": len(members)}
    printed = run.benchmark.harness.metrics(run.scorer, members)
    by_metric: dict[str, list[ScoredResponse]] = defaultdict(list)
    for response in members:
        for metric in _metrics_of(run, response):
            by_metric[metric] += [response] if response.score is not None else []
    for metric, responses in by_metric.items():
        scores = [response.score or 0.0 for response in responses]
        value = printed.get(f"{task}/{metric}", percentage(scores)) if responses else "N/A"
        results[f"{metric},{_FILTER}"] = value
        error = clustered_error(scores, [response.cluster for response in responses])
        results[f"{metric}_stderr_clustered,{_FILTER}"] = "N/A" if isnan(error) else error
    return results


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()

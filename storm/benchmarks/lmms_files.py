"""A run in lmms-eval's own files: `<date>_results.json` and `<date>_samples_<task>.jsonl`."""

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
from storm.benchmarks.benchmark import percentage
from storm.benchmarks.rules.cleaning import REASONING_TAGS
from storm.benchmarks.scoring import Run, Scored
from storm.benchmarks.statistics import clustered_error

LMMS_ZONE = timezone(timedelta(hours=8))  # its file names tell the time there
_FILTER = "none"  # its name for: responses as they are


def write_lmms_files(
    run: Run,
    folder: Path,
    model: str,
    prompts: Mapping[str, str] | None = None,
    when: datetime | None = None,
) -> Path:
    """Write the run under `folder/<model>/` and return the path of its `_results.json`.

    `prompts`: by question id, what the model was asked. Numbers stand under lmms-eval's names only
    if its own rules made them; another scorer's stand under the scorer's name.
    """
    place = folder / re.sub(r'["<>:/\\|?*\[\]]+', "__", "/".join(model.split("/")[-2:]))
    place.mkdir(parents=True, exist_ok=True)
    clock = when or datetime.now(LMMS_ZONE)
    date = clock.strftime("%Y%m%d_%H%M%S")
    parts: dict[str, list[Scored]] = defaultdict(list)
    for one in run.scored:
        parts[run.benchmark.lmms_task(one.task)].append(one)
    results: dict[str, Any] = {}
    hashes: dict[str, str] = {}
    for task, members in parts.items():
        samples = [
            _sample(run, number, one, (prompts or {}).get(one.id, ""))
            for number, one in enumerate(members)
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


def _sample(run: Run, number: int, one: Scored, prompt: str) -> dict[str, Any]:
    """A line as lmms-eval writes it: `resps` only where stripping changed something."""
    sample: dict[str, Any] = {
        "doc_id": number,
        "target": str(one.question.answer),
        "filtered_resps": one.response,
        "token_counts": [None],
        "doc_hash": _sha256(json.dumps(dict(one.question.doc), ensure_ascii=False, default=str)),
        "input": prompt,
    }
    if one.raw != one.response:
        sample["resps"] = [one.raw]
    return sample | _metrics_of(run, one)


def _metrics_of(run: Run, one: Scored) -> dict[str, Any]:
    if run.scorer == "lmms_eval":
        return run.benchmark.lmms_sample(one)
    return {run.scorer: {"score": one.score, "extracted": one.extracted}}


def _metrics(run: Run, members: Sequence[Scored]) -> list[str]:
    return list(dict.fromkeys(name for one in members for name in _metrics_of(run, one)))


def _results(run: Run, task: str, members: Sequence[Scored]) -> dict[str, Any]:
    """Values and errors of one task, as `metric,filter`; N/A where nothing was scored."""
    results: dict[str, Any] = {"alias": task, "samples": len(members)}
    printed = run.benchmark.as_printed(run.scorer, members)
    kept: dict[str, list[Scored]] = defaultdict(list)
    for one in members:
        for metric in _metrics_of(run, one):
            kept[metric] += [one] if one.score is not None else []
    for metric, chosen in kept.items():
        scores = [one.score or 0.0 for one in chosen]
        value = printed.get(f"{task}/{metric}", percentage(scores)) if chosen else "N/A"
        results[f"{metric},{_FILTER}"] = value
        error = clustered_error(scores, [one.video_id for one in chosen])
        results[f"{metric}_stderr_clustered,{_FILTER}"] = "N/A" if isnan(error) else error
    return results


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()

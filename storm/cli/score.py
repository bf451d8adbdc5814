"""Scores for responses made anywhere: `storm score`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import app, print_table

if TYPE_CHECKING:
    from storm.benchmarks.comparison import Difference
    from storm.benchmarks.scoring import ScoredRun
    from storm.benchmarks.types import Judge

_NAMED = 20  # refused lines that the table names; the JSON names all


@app.command()
def score(
    benchmark: Annotated[str, typer.Argument(help="videomme, mvbench, tempcompass, mmvu, …")],
    responses: Annotated[
        list[Path],
        typer.Argument(help="JSON lines, lmms-eval's samples, or TempCompass's prediction files"),
    ],
    scorer: Annotated[str | None, typer.Option(help="another rule than the default")] = None,
    out: Annotated[
        Path | None, typer.Option(help="a file for the lines; else standard output")
    ] = None,
    unwrap_answer: Annotated[
        bool, typer.Option("--unwrap-answer", help="score what <answer>…</answer> holds")
    ] = False,
    against: Annotated[
        list[Path], typer.Option(help="other responses to the same questions, to compare with")
    ] = [],  # noqa: B006 - typer reads it
    judge_url: Annotated[
        str | None, typer.Option(help="an OpenAI-compatible server, for what rules can't decide")
    ] = None,
    judge_model: Annotated[str, typer.Option(help="the judge's name there")] = "",
    judge_key_env: Annotated[
        str, typer.Option(help="the environment variable with its key")
    ] = "OPENAI_API_KEY",
    judge_cache: Annotated[Path, typer.Option(help="where its answers are kept")] = Path(
        "artifacts/judge"
    ),
) -> None:
    """Score responses: a line each, then what they come to; a table beside them."""
    from storm.artifacts.fs import write_atomic
    from storm.benchmarks.benchmark import get_benchmark
    from storm.benchmarks.comparison import compare
    from storm.benchmarks.responses import read_responses
    from storm.benchmarks.scoring import aggregate, lines_of, summary_of
    from storm.benchmarks.scoring import score as score_responses
    from storm.errors import DataError

    chosen = get_benchmark(benchmark)
    judge = judge_of(judge_url, judge_model, judge_key_env, judge_cache)

    def run_of(paths: list[Path]) -> ScoredRun:
        answered = (one for path in paths for one in read_responses(chosen, path))
        run = score_responses(chosen, answered, scorer, unwrap_answer, judge)
        if not run.scored:
            first = run.rejected[0].detail if run.rejected else "no lines"
            raise DataError(f"expected responses to {benchmark} in {paths[0]}, found none: {first}")
        return run

    runs = {str(path): run_of([path]) for path in against}
    run = run_of(responses)
    found = summary_of(run, aggregate(run))
    differences = compare({str(responses[0]): run, **runs}) if runs else []
    if differences:
        found["comparisons"] = [difference.as_json() for difference in differences]
    lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in (*lines_of(run), found))
    if out is None:
        sys.stdout.write(lines)
    else:
        write_atomic(out, lines.encode())
    with redirect_stdout(sys.stdout if out is not None else sys.stderr):
        print_summary(found)
        print_differences(differences)


def judge_of(url: str | None, model: str, key_env: str, cache: Path) -> Judge | None:
    if url is None:
        return None
    from pydantic import ValidationError

    from storm.benchmarks.judge import ChatJudge
    from storm.errors import ConfigError
    from storm.llm_client import ChatConfig

    try:
        config = ChatConfig.model_validate(
            {"base_url": url, "model": model, "api_key_env": key_env, "max_tokens": 64}
        )
    except ValidationError as error:
        first = error.errors()[0]
        option = {"base_url": "--judge-url", "model": "--judge-model"}[str(first["loc"][0])]
        raise ConfigError(f"{option}: {first['msg']}") from None
    return ChatJudge(config, cache)


def print_summary(found: Mapping[str, Any], title: str = "") -> None:
    from storm.evaluation.tables import accuracies

    print_table(accuracies(found, title or found["benchmark"]))
    print()
    judge = found["judge"] or "none"
    print(f"scorer {found['scorer']}, version {found['scorer_version']}; judge {judge}")
    print(
        f"{found['n'] + found['not_scored']} of {found['expected']} questions, "
        f"{found['tasks_present']} of {found['tasks']} tasks"
    )
    if found["match_rate"] is not None:
        print(f"decided by rule: {found['match_rate']:.1%}")
    counts = Counter(one["reason"] for one in found["rejected"])
    counts.update({"empty responses": len(found["empty"]), "not scored": found["not_scored"]})
    for reason, count in counts.items():
        if count:
            print(f"{reason}: {count}")
    for one in found["rejected"][:_NAMED]:
        print(f"  {one['id']}: {one['detail']}")
    for name, value in found["harness_metrics"].items():
        print(f"as printed by its harness: {name} {value:.4g}")


def print_differences(found: Sequence[Difference]) -> None:
    if not found:
        return
    from storm.evaluation.tables import differences

    print()
    print_table(differences(found))
    print("significant: p under 0.05 after Holm's correction for all comparisons of this table")

"""`storm score`: score responses made anywhere."""

from __future__ import annotations

import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm.cli.app import app
from storm.errors import ConfigError

if TYPE_CHECKING:
    from storm.benchmarks.types import Judge


@app.command()
def score(
    benchmark: Annotated[
        str, typer.Argument(help="videomme, mvbench, tempcompass, mmvu, ... or an import path.")
    ],
    responses: Annotated[
        list[Path],
        typer.Argument(help="JSON lines, lmms-eval's samples, or TempCompass's prediction files."),
    ],
    scorer: Annotated[str | None, typer.Option(help="Scoring rule; see the benchmark's.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the lines; by default standard output.")
    ] = None,
    unwrap_answer: Annotated[
        bool, typer.Option("--unwrap-answer", help="Score the content of <answer>...</answer>.")
    ] = False,
    against: Annotated[
        list[Path],
        typer.Option(help="Responses to compare with, to the same questions. May be repeated."),
    ] = [],  # noqa: B006 - typer reads it
    judge_url: Annotated[
        str | None,
        typer.Option(help="OpenAI-compatible server that decides what rules can't."),
    ] = None,
    judge_model: Annotated[str, typer.Option(help="Name of the judge's model.")] = "",
    judge_key_env: Annotated[
        str, typer.Option(help="Environment variable that holds the judge's key.")
    ] = "OPENAI_API_KEY",
    judge_cache: Annotated[Path, typer.Option(help="Folder that keeps the judge's replies.")] = (
        Path("artifacts/judge")
    ),
) -> None:
    """Score responses: a line for each, then an aggregate, and a table for people."""
    from storm.artifacts.fs import write_atomic
    from storm.benchmarks.benchmark import get_benchmark
    from storm.benchmarks.comparison import compare
    from storm.benchmarks.responses import read_responses
    from storm.benchmarks.scoring import ScoredRun, aggregate, lines_of, summary_of
    from storm.benchmarks.scoring import score as score_responses
    from storm.cli.score_tables import print_differences, print_run
    from storm.errors import DataError

    chosen = get_benchmark(benchmark)
    judge = _judge(judge_url, judge_model, judge_key_env, judge_cache)

    def run_of(paths: list[Path]) -> ScoredRun:
        entries = (entry for path in paths for entry in read_responses(chosen, path))
        run = score_responses(chosen, entries, scorer, unwrap_answer, judge)
        if not run.scored:
            first = run.rejected[0].detail if run.rejected else "no lines"
            raise DataError(f"expected responses to {benchmark} in {paths[0]}, found none: {first}")
        return run

    others = {str(path): run_of([path]) for path in against}
    run = run_of(responses)
    summary = summary_of(run, aggregate(run))
    comparisons = compare({str(responses[0]): run, **others}) if others else []
    if comparisons:
        summary["comparisons"] = [difference.as_json() for difference in comparisons]
    values = (*lines_of(run), summary)
    lines = "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    if out is None:
        sys.stdout.write(lines)
    else:
        write_atomic(out, lines.encode())
    with redirect_stdout(sys.stdout if out is not None else sys.stderr):
        print_run(summary, summary["benchmark"])
        print_differences(comparisons)


def _judge(url: str | None, model: str, key_env: str, cache: Path) -> Judge | None:
    """Return the judge that the options describe; None without a server."""
    if url is None:
        return None
    from pydantic import ValidationError

    from storm.benchmarks.judge import ChatJudge
    from storm.llm_client import ChatConfig

    options = {"base_url": url, "model": model, "api_key_env": key_env, "max_tokens": 64}
    try:
        config = ChatConfig.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        option = {"base_url": "--judge-url", "model": "--judge-model"}[str(first["loc"][0])]
        raise ConfigError(f"{option}: {first['msg']}") from None
    return ChatJudge(config, cache)

"""`storm evaluate`: run a benchmark on a checkpoint."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Json, Root, app
from storm.errors import ConfigError
from storm.student.modes import MODES

if TYPE_CHECKING:
    from storm.artifacts.store import Store
    from storm.evaluation.config import BenchmarkConfig
    from storm.evaluation.evaluations import EvaluationStage
    from storm.process.child import Event
    from storm.profiles import Run
    from storm.runtime import Runtime


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="Folder of a checkpoint.")],
    benchmark: Annotated[
        str, typer.Option(help="videomme, mvbench, tempcompass, mmvu, own, ... or an import path.")
    ],
    data: Annotated[str, typer.Option(help="The data set's folder (or file), or its hub id.")],
    modes: Annotated[
        list[str], typer.Option("--mode", help=f"{', '.join(MODES)}. May be repeated.")
    ] = ["latent"],  # noqa: B006 - typer reads it
    frames: Annotated[
        int | None, typer.Option(help="Frames per video; with fps, at most. Default: as trained.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Only the first questions.")] = None,
    overrides: Annotated[
        list[str],
        typer.Option(
            "--set",
            help="Any other KEY=VALUE of a profile's benchmark: videos, prompt, fps, max_pixels, "
            "latency, scorer, judge.model, ... May be repeated.",
        ),
    ] = [],  # noqa: B006
    out: Annotated[
        Path | None, typer.Option(help="Folder for the results; by default under ROOT/reports.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Questions per batch.")] = 8,
    decoders: Annotated[int, typer.Option(min=1, help="Processes that decode videos.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the model.")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="Default: the checkpoint's own.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="I/N: answer the I-th of N parts. The last one scores.")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for another run of the same evaluation.")
    ] = False,
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Run a benchmark on a checkpoint and report accuracy, mode comparison and latency.

    The same command resumes a stopped run. Questions without a readable video are named in the
    table and don't change the exit code.
    """
    number, shards = _shard(shard)
    values = {"kind": benchmark, "data": data, "modes": modes, "frames": frames, "limit": limit}
    config = _config(values, overrides)
    from storm.artifacts.fs import digest
    from storm.artifacts.store import Store
    from storm.benchmarks.judge import ChatJudge
    from storm.cli.devices import require_device
    from storm.cli.score_tables import print_evaluation
    from storm.evaluation.checkpoints import CheckpointFolder
    from storm.evaluation.summary import summarize, write_summary
    from storm.runtime import Runtime
    from storm.student.checkpoint import read_section
    from storm.student.files import saved_dtype

    sampling = read_section(checkpoint).sampling
    require_device(device)
    os.environ.setdefault("DS_ACCELERATOR", device)  # or DeepSpeed, once imported, prints a choice
    folder = CheckpointFolder(path=str(checkpoint.absolute()))
    chosen: Any = dtype or saved_dtype(checkpoint)
    evaluations, latency = config.build(folder, sampling, chosen, device, shards)
    store = Store(root)
    judge = ChatJudge(config.judge, store.root / "judge") if config.judge else None
    settings = {"batch": batch, "decoders": decoders, "threads": threads, "device": device}
    runtime = Runtime.model_validate(settings)
    with _progress() as on_event:
        for stage in evaluations:
            _answer(stage, store, runtime, number, on_event, wait)
        if not all(stage.artifact(store).is_sealed() for stage in evaluations):
            print("other shards are pending: the last one to finish scores", file=sys.stderr)
            return
        if latency is not None:
            from storm.artifacts.make import execute

            execute(latency, store, runtime, on_event, wait=wait)
    summary = summarize(evaluations, latency, store, config.scorer, config.unwrap_answer, judge)
    if out is None:
        key = digest([stage.fingerprint() for stage in evaluations])[:8]
        out = store.root / "reports" / f"{evaluations[0].query.benchmark.name}-{key}"
    write_summary(summary, out, str(checkpoint.absolute()))
    if as_json:
        print(json.dumps(summary.as_json(), indent=1))
        return
    print_evaluation(summary)
    print(f"\nresults: {out}")


def show_benchmarks(run: Run) -> None:
    """Print the scores of a profile's benchmarks, and write them under the reports."""
    from storm.cli.score_tables import print_evaluation
    from storm.report.benchmarks import write_benchmarks

    for folder, summary in write_benchmarks(run).items():
        print_evaluation(summary)
        print(f"results: {folder}\n")


def _config(values: dict[str, Any], overrides: Sequence[str]) -> BenchmarkConfig:
    """Return a benchmark's configuration from options and overrides."""
    from pydantic import ValidationError

    from storm.evaluation.config import BenchmarkConfig
    from storm.profiles.merge import apply_override
    from storm.profiles.problems import problems

    for override in overrides:
        apply_override(values, override)
    try:
        return BenchmarkConfig.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"the evaluation is wrong: {problems(values, error)}") from None


def _shard(option: str | None) -> tuple[int | None, int]:
    """Return the number of the shard to make (from 0; None: all), and how many there are."""
    if option is None:
        return None, 1
    number, _, total = option.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise ConfigError(f"expected --shard I/N with I from 1 to N, found {option!r}")
    return int(number) - 1, int(total)


def _answer(
    stage: EvaluationStage,
    store: Store,
    runtime: Runtime,
    number: int | None,
    on_event: Callable[[Event], None],
    wait: bool,
) -> None:
    """Answer what is missing of all shards or of one; the last one seals the stage."""
    from storm.artifacts.make import clean_up, count_pending, execute, make_shard, plan, seal
    from storm.process.children import Children

    if number is None:
        execute(stage, store, runtime, on_event, wait=wait)
        return
    clean_up(stage, store)
    if stage.artifact(store).is_sealed():
        return
    shards = plan(stage, store).shards
    if shards != stage.shards:
        raise ConfigError(
            f"expected --shard I/{shards}, as this evaluation was begun, found {stage.shards} "
            "shards"
        )
    with Children(runtime.threads) as children:
        make_shard(stage, store, runtime, number, children, on_event, wait=wait)
    if not count_pending(stage, store):
        seal(stage, store)


@contextmanager
def _progress() -> Iterator[Callable[[Event], None]]:
    """Show a bar for each mode on a terminal; yield the function that receives events."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bars: dict[str, Any] = {}

        def on_event(event: Event) -> None:
            if "progress" not in event:
                return
            text = event["text"]
            if text not in bars:
                bars[text] = progress.add_task(text, total=event["of"])
            progress.update(bars[text], completed=event["progress"], total=event["of"])

        yield on_event

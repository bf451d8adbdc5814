"""Ask a checkpoint a whole benchmark, and score it: `storm evaluate`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm.cli.app import Json, Root, app, print_table
from storm.cli.score import judge_of, print_differences, print_summary
from storm.errors import ConfigError
from storm.student.modes import MODES

if TYPE_CHECKING:
    from storm.artifacts.store import Store
    from storm.evaluation.evaluations import EvaluationStage
    from storm.evaluation.latency import LatencyStage
    from storm.evaluation.summary import Evaluated
    from storm.process.run_child import Event
    from storm.profiles import Run
    from storm.runtime import Runtime


@app.command()
def evaluate(
    checkpoint: Annotated[Path, typer.Option(help="folder of a checkpoint")],
    benchmark: Annotated[str, typer.Option(help="videomme, mvbench, tempcompass, mmvu, …")],
    data: Annotated[str, typer.Option(help="the data set's folder (or file), or its hub id")],
    videos: Annotated[str | None, typer.Option(help="folder of the videos, if not there")] = None,
    revision: Annotated[str | None, typer.Option(help="of the hub's repository")] = None,
    modes: Annotated[
        list[str], typer.Option("--mode", help=f"{', '.join(MODES)}; again for several")
    ] = ["latent"],  # noqa: B006 - typer reads it
    prompt: Annotated[str | None, typer.Option(help="another prompt than the default")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="frames a video; with --fps, at most")
    ] = None,
    fps: Annotated[float | None, typer.Option(help="frames a second of video")] = None,
    size_px: Annotated[int | None, typer.Option(min=1, help="longest edge of a frame")] = None,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="pixels of a frame")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(min=1, help="bound of an answer")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="the first questions alone")] = None,
    latency: Annotated[
        int, typer.Option(min=0, help="questions to measure latency with; 0: don't")
    ] = 20,
    scorer: Annotated[str | None, typer.Option(help="another rule than the default")] = None,
    unwrap_answer: Annotated[
        bool, typer.Option("--unwrap-answer", help="score what <answer>…</answer> holds")
    ] = False,
    judge_url: Annotated[
        str | None, typer.Option(help="an OpenAI-compatible server, for what rules can't decide")
    ] = None,
    judge_model: Annotated[str, typer.Option(help="the judge's name there")] = "",
    judge_key_env: Annotated[
        str, typer.Option(help="the environment variable with its key")
    ] = "OPENAI_API_KEY",
    out: Annotated[
        Path | None, typer.Option(help="folder for the results; else under ROOT/reports")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="questions that the model sees at once")] = 8,
    decoders: Annotated[int, typer.Option(min=1, help="processes that decode ahead")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of the model")] = 1,
    device: Annotated[str, typer.Option(help="cpu, cuda or mps")] = "cpu",
    dtype: Annotated[str | None, typer.Option(help="other than the checkpoint's own")] = None,
    shard: Annotated[
        str | None, typer.Option(help="I/N: ask the I-th of N parts; the last one done scores")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait if another run asks the same")] = False,
    root: Root = "artifacts",
    as_json: Json = False,
) -> None:
    """Ask a checkpoint a benchmark's questions; scores, what differs between modes, latency.

    Stopped at any moment, the same command goes on where it was. Exit code 0 with questions
    missing: the table says which and why.
    """
    number, shards = _shard(shard)
    for mode in modes:
        if mode not in MODES:
            raise ConfigError(f"expected --mode {', '.join(MODES)}, found {mode!r}")
    if fps is not None and fps <= 0:
        raise ConfigError(f"expected --fps above 0, found {fps:g}")
    from storm.artifacts.fs import digest
    from storm.artifacts.store import Store
    from storm.cli.answer import require_device, saved_dtype
    from storm.evaluation.config import BenchmarkConfig
    from storm.evaluation.query import CheckpointFolder
    from storm.evaluation.summary import read, write
    from storm.runtime import Runtime
    from storm.student.checkpoint import read_section

    config = BenchmarkConfig(
        kind=benchmark,
        data=data,
        videos=videos,
        revision=revision,
        modes=tuple(modes),  # pyright: ignore[reportArgumentType]
        prompt=prompt,
        frames=frames,
        fps=fps,
        size_px=size_px,
        max_pixels=max_pixels,
        max_new_tokens=max_new_tokens,
        limit=limit,
        latency=latency,
    )
    section = read_section(checkpoint)
    require_device(device)
    os.environ.setdefault("DS_ACCELERATOR", device)  # transformers loads DeepSpeed, which tells
    folder = CheckpointFolder(path=str(checkpoint.absolute()))
    dtype = dtype or saved_dtype(checkpoint)
    stages, timed = config.build(folder, section.sampling, dtype, device, shards)  # pyright: ignore[reportArgumentType]
    stages[0].about.pick_scorer(scorer)
    judge = judge_of(judge_url, judge_model, judge_key_env, Path(root) / "judge")
    store = Store(root)
    runtime = Runtime(batch=batch, decoders=decoders, threads=threads, device=device)  # pyright: ignore[reportArgumentType, reportCallIssue]
    if not _make(stages, timed, store, runtime, number, wait):
        print("other shards are pending: the run that makes the last one scores", file=sys.stderr)
        return
    found = read(stages, timed, store, scorer, unwrap_answer, judge)
    if out is None:
        key = digest([stage.fingerprint for stage in stages])[:8]
        out = store.root / "reports" / f"{benchmark}-{key}"
    write(found, out, str(checkpoint.absolute()))
    if as_json:
        print(json.dumps(found.summary(), indent=1))
        return
    _print(found)
    print(f"\nresults: {out}")


def show_benchmarks(run: Run) -> None:
    """Print the scores of a profile's benchmarks, and write them under the reports."""
    from storm.report.benchmarks import write_benchmarks

    for folder, found in write_benchmarks(run).items():
        _print(found)
        print(f"results: {folder}\n")


def _shard(given: str | None) -> tuple[int | None, int]:
    """Which shard to make (None: all), counted from 0, and how many there are."""
    if given is None:
        return None, 1
    number, _, total = given.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
        raise ConfigError(f"expected --shard I/N with I from 1 to N, found {given!r}")
    return int(number) - 1, int(total)


def _make(
    stages: Sequence[EvaluationStage],
    timed: LatencyStage | None,
    store: Store,
    runtime: Runtime,
    number: int | None,
    wait: bool,
) -> bool:
    """Ask what is missing; whether everything is sealed afterwards."""
    from storm.artifacts.make import execute, make_shard, pending, plan, prepare, seal

    def tell(event: Event) -> None:
        if "progress" in event and sys.stderr.isatty():
            end = "\n" if event["progress"] == event["of"] else ""
            line = f"\r{event['text']}: {event['progress']} of {event['of']} "
            print(line, end=end, file=sys.stderr)

    def make(stage: EvaluationStage, number: int) -> None:
        prepare(stage, store)
        if stage.artifact(store).sealed:
            return
        shards = plan(stage, store).shards
        if shards != stage.shards:
            raise ConfigError(
                f"expected --shard I/{shards}, as this evaluation was begun, found {stage.shards} "
                "shards"
            )
        make_shard(stage, store, runtime, number, tell, wait=wait)
        if not pending(stage, store):
            seal(stage, store)

    for stage in stages:
        if number is None:
            execute(stage, store, runtime, tell, wait=wait)
        else:
            make(stage, number)
    sealed = all(stage.artifact(store).sealed for stage in stages)
    if sealed and timed is not None:
        execute(timed, store, runtime, tell, wait=wait)
    return sealed


def _print(found: Evaluated) -> None:
    from storm.evaluation.tables import latencies

    for number, (mode, numbers) in enumerate(found.summary()["modes"].items()):
        if number:
            print()
        print_summary(numbers, f"{numbers['benchmark']} {mode}")
    print_differences(found.comparisons)
    if found.latency:
        print()
        print_table(latencies(found.latency))

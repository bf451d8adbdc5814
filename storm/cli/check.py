"""`storm check`: what a question set holds before anything runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from storm.cli.app import Json, app, print_table
from storm.errors import ConfigError

if TYPE_CHECKING:
    from storm.videos.questions.sources import QuestionSource


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="question file, or data set of `datasets`")],
    root: Annotated[str | None, typer.Option(help="video folder")] = None,
    kind: Annotated[str | None, typer.Option(help="e.g. video_r1, csv, datasets")] = None,
    columns: Annotated[
        list[str], typer.Option(help="role=name, e.g. question=prompt; may be repeated")
    ] = [],  # noqa: B006 - typer reads it
    split: Annotated[str, typer.Option(help="split of a data set of `datasets`")] = "train",
    revision: Annotated[str | None, typer.Option(help="commit of a data set on the hub")] = None,
    samples: Annotated[int, typer.Option(min=0, help="examples of each reason")] = 3,
    decode: Annotated[
        bool, typer.Option("--decode", help="decode every frame, as a run does")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="child processes")] = 2,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="share of the questions that a run may lose")
    ] = 0.05,
    as_json: Json = False,
) -> None:
    """Count, measure and probe questions and videos; exit 65 if a run would refuse too many."""
    from storm.videos.questions.check import check_questions

    source = _source(data, root, kind, columns, split, revision)
    report = check_questions(source, decode=decode, workers=workers, share=share)
    facts = report.as_json(samples)
    if as_json:
        print(json.dumps(facts, indent=1))
    else:
        _print(facts)
    if not report.passes:
        raise typer.Exit(65)


def _source(
    data: str,
    root: str | None,
    kind: str | None,
    columns: list[str],
    split: str,
    revision: str | None,
) -> QuestionSource:
    from pydantic import ValidationError

    from storm.videos.questions.hub import HFQuestionSource
    from storm.videos.questions.sources import QuestionFile

    named = {role: name for role, _, name in (column.partition("=") for column in columns)}
    common = {"questions": data, "root": root, "columns": named}
    path = Path(data)
    is_dataset = path.is_dir() or path.suffix in (".parquet", ".arrow") or revision is not None
    try:
        if kind == "datasets" or (kind is None and is_dataset):
            return HFQuestionSource.model_validate({**common, "split": split, "revision": revision})
        return QuestionFile.model_validate({**common, "kind": kind or "auto"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{where}: {first['msg']}, found {first['input']!r}") from None


def _print(facts: dict[str, Any]) -> None:
    def span(values: dict[str, float], unit: str) -> str:
        if not values:
            return "none"
        return f"{values['least']:g} to {values['most']:g}{unit}, median {values['median']:g}"

    def listed(counts: dict[str, int], limit: int = 6) -> str:
        first = [f"{name} ({n})" for name, n in list(counts.items())[:limit]]
        return ", ".join([*first, "..."] if len(counts) > limit else first) or "none"

    hours = facts["duration_seconds"].get("sum", 0) / 3600
    extent = "every frame decoded" if facts["every_frame_decoded"] else "probed, not decoded"
    images = facts["image_questions_left_out"]
    left_out = f"; {images} on images are left out" if images else ""
    print_table(
        [
            ("questions", f"{facts['good']} good of {facts['questions']}{left_out}"),
            ("splits", listed(facts["splits"])),
            ("without options", str(facts["open_questions"])),
            ("videos", f"{facts['videos']} readable ({extent}), {facts['bytes'] / 1e6:.1f} MB"),
            ("durations", f"{span(facts['duration_seconds'], ' s')}; {hours:.2f} h in all"),
            ("frames a second", span(facts["fps"], "")),
            ("resolutions", listed(facts["resolutions"])),
            ("codecs", listed(facts["codecs"])),
            ("containers", listed(facts["containers"])),
            ("same bytes twice", str(len(facts["same_bytes"]))),
        ]
    )
    for names in facts["same_bytes"][:3]:
        print(f"  {' = '.join(names)}")
    for note, names in facts["notes"].items():
        print(f"{note}: {len(names)} videos, read all the same, e.g. {names[0]}")
    for reason, group in facts["rejected"].items():
        print(f"{reason}: {group['questions']} questions")
        for sample in group["samples"]:
            print(f"  {sample['id']}: {sample['detail']}")
    lost = facts["questions"] - facts["good"]
    verdict = "a run would go on" if facts["would_pass"] else "a run would stop"
    allowed = f"a share of {facts['quarantine_share']:g} may be"
    print(f"{verdict}: {lost} of {facts['questions']} questions lost, {allowed}")

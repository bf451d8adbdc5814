"""What a question set holds before anything runs: `storm check`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from storm.cli.app import Json, app, print_table
from storm.errors import ConfigError


@app.command()
def check(
    data: Annotated[str, typer.Argument(help="a question file, or a data set of `datasets`")],
    root: Annotated[str | None, typer.Option(help="folder of the videos")] = None,
    kind: Annotated[str | None, typer.Option(help="e.g. video_r1, csv, datasets")] = None,
    columns: Annotated[
        list[str], typer.Option(help="role=name, e.g. question=prompt; may be repeated")
    ] = [],  # noqa: B006 - typer reads it
    split: Annotated[str, typer.Option(help="of a data set of `datasets`")] = "train",
    revision: Annotated[str | None, typer.Option(help="commit of a data set of the hub")] = None,
    samples: Annotated[int, typer.Option(min=0, help="shown of each problem")] = 3,
    decode: Annotated[bool, typer.Option("--decode", help="every frame, as a run does")] = False,
    workers: Annotated[int, typer.Option(min=1, help="child processes")] = 2,
    share: Annotated[
        float, typer.Option(min=0, max=1, help="of the questions that a run may lose")
    ] = 0.05,
    as_json: Json = False,
) -> None:
    """Count, measure and probe questions and videos; exit 65 if a run would refuse too many."""
    from storm.videos.questions.check import check_questions

    source = _source(data, root, kind, columns, split, revision)
    found = check_questions(source, decode=decode, workers=workers, share=share)
    report = found.as_json(samples)
    if as_json:
        print(json.dumps(report, indent=1))
    else:
        _print(report)
    if not found.passes:
        raise typer.Exit(65)


def _source(
    data: str,
    root: str | None,
    kind: str | None,
    columns: list[str],
    split: str,
    revision: str | None,
) -> Any:
    from pydantic import ValidationError

    from storm.videos.questions.hub import QuestionDataset
    from storm.videos.questions.sources import QuestionFile

    named = {role: name for role, _, name in (column.partition("=") for column in columns)}
    common = {"questions": data, "root": root, "columns": named}
    path = Path(data)
    is_dataset = path.is_dir() or path.suffix in (".parquet", ".arrow") or revision is not None
    try:
        if kind == "datasets" or (kind is None and is_dataset):
            return QuestionDataset.model_validate({**common, "split": split, "revision": revision})
        return QuestionFile.model_validate({**common, "kind": kind or "auto"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{where}: {first['msg']}, found {first['input']!r}") from None


def _print(report: dict[str, Any]) -> None:
    def span(values: dict[str, float], unit: str) -> str:
        if not values:
            return "none"
        return f"{values['least']:g} to {values['most']:g}{unit}, median {values['median']:g}"

    def listed(counts: dict[str, int], limit: int = 6) -> str:
        shown = [f"{name} ({n})" for name, n in list(counts.items())[:limit]]
        return ", ".join([*shown, "..."] if len(counts) > limit else shown) or "none"

    hours = report["duration_seconds"].get("sum", 0) / 3600
    looked = "every frame decoded" if report["every_frame_decoded"] else "probed, not decoded"
    images = report["image_questions_left_out"]
    left_out = f"; {images} on images are left out" if images else ""
    print_table(
        [
            ("questions", f"{report['good']} good of {report['questions']}{left_out}"),
            ("splits", listed(report["splits"])),
            ("without options", str(report["open_questions"])),
            ("videos", f"{report['videos']} readable ({looked}), {report['bytes'] / 1e6:.1f} MB"),
            ("durations", f"{span(report['duration_seconds'], ' s')}; {hours:.2f} h in all"),
            ("frames a second", span(report["fps"], "")),
            ("resolutions", listed(report["resolutions"])),
            ("codecs", listed(report["codecs"])),
            ("containers", listed(report["containers"])),
            ("same bytes twice", str(len(report["same_bytes"]))),
        ]
    )
    for names in report["same_bytes"][:3]:
        print(f"  {' = '.join(names)}")
    for reason, problem in report["problems"].items():
        print(f"{reason}: {problem['questions']} questions")
        for sample in problem["samples"]:
            print(f"  {sample['id']}: {sample['detail']}")
    lost = report["questions"] - report["good"]
    verdict = "a run would go on" if report["would_pass"] else "a run would stop"
    allowed = f"a share of {report['quarantine_share']:g} may be"
    print(f"{verdict}: {lost} of {report['questions']} questions lost, {allowed}")

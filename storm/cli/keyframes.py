"""`storm keyframes`: which frames of a video a selector picks, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from storm.cli.app import Json, app, print_table, writable_output


@app.command()
def keyframes(
    video: Annotated[Path, typer.Argument(help="video file")],
    selector: Annotated[
        str,
        typer.Option(help="kind of selector, or its settings as JSON"),
    ] = "motion",
    k: Annotated[int, typer.Option(help="maximum number of frames")] = 16,
    question: Annotated[list[str], typer.Option(help="for selectors that read them")] = [],  # noqa: B006
    sheet: Annotated[Path | None, typer.Option(help="write a contact sheet to this PNG")] = None,
    as_json: Json = False,
) -> None:
    """Print the frames that a selector picks from a video, with reasons and scores."""
    from pydantic import ValidationError

    from storm.errors import ConfigError
    from storm.plugins import Component
    from storm.profiles.problems import problems

    settings: dict[str, Any] = {}
    try:
        settings = {"k": k} | (json.loads(selector) if selector[:1] == "{" else {"kind": selector})
        config = Component("storm.selectors").validate(settings)
    except ValueError as error:  # pydantic's is one too
        wrong = problems(settings, error) if isinstance(error, ValidationError) else error
        raise ConfigError(f"expected a selector, found {selector!r}: {wrong}") from None
    row = config.build().select(video.name, video, questions=question)
    frames = list(zip(row.pts_seconds, row.reasons, row.scores, strict=True))
    if as_json:
        names = ("pts_seconds", "reason", "score")
        print(json.dumps([dict(zip(names, frame, strict=True)) for frame in frames]))
    else:
        lines = [[f"{time:.3f}", reason, f"{score:.2f}"] for time, reason, score in frames]
        print_table([["seconds", "reason", "score"], *lines])
    if sheet is not None:
        from PIL import Image

        from storm.keyframes.sheet import contact_sheet

        with writable_output(sheet, "--sheet"):
            Image.fromarray(contact_sheet(row)).save(sheet, "PNG")

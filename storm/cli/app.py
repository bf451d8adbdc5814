"""The command's frame: one typer application, the options that commands share, exit codes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from storm.errors import ConfigError, StormError

app = typer.Typer(
    help="Teach a video-language model to think in K latent states: from videos to scores.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Profile = Annotated[str, typer.Option(help="a profile's name, or a YAML file")]
Set = Annotated[list[str], typer.Option("--set", help="key.path=value, over the profile")]
Root = Annotated[str, typer.Option(help="where artifacts lie")]
Json = Annotated[bool, typer.Option("--json", help="one JSON value instead of a table")]


def main(arguments: Sequence[str] | None = None) -> Any:
    try:
        return app(args=arguments)
    except StormError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


@contextmanager
def told(path: Path, option: str) -> Iterator[None]:
    """A file that can't be written there is one line."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"expected {option} to name a file that can be written, found {str(path)!r}: "
            f"{error.strerror}"
        ) from None


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in columns, a header first."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )

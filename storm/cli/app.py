"""The typer application: options that commands share, exit codes, tables."""

from __future__ import annotations

import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storm.cli.lazy import load_lazily
from storm.errors import ConfigError, StormError
from storm.process.environment import set_environment

if TYPE_CHECKING:
    from storm.profiles import Run

app = typer.Typer(
    help="Train and evaluate video-language models that reason in K latent states.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Profile = Annotated[str, typer.Option(help="Profile name, or path of a YAML file.")]
Set = Annotated[
    list[str],
    typer.Option("--set", help="Override a profile value: KEY.PATH=VALUE. May be repeated."),
]
Root = Annotated[str, typer.Option(help="Folder that holds the artifacts.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a StormError ends it with one line and the error's exit code.

    Packages add commands as entry points of the group `storm.commands`.

    Args:
        arguments: The words after `storm`; by default those of this process.
    """
    set_environment()
    registered = {command.name for command in app.registered_commands}
    for entry in entry_points(group="storm.commands"):
        if entry.name not in registered:
            app.command(entry.name)(entry.load())
    try:
        app(args=arguments)
    except StormError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def open_run(root: str, profile: str, overrides: Sequence[str]) -> Run:
    """Open a profile on a store; libraries load only once they are used."""
    load_lazily("numpy", "pyarrow", "cv2")
    from storm.profiles import Run

    return Run.open(root, profile, overrides)


@contextmanager
def writable_output(path: Path, option: str) -> Generator[None, None, None]:
    """Raise ConfigError where the body can't write the file that an option names."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"expected {option} to name a file that can be written, found {str(path)!r}: "
            f"{error.strerror}"
        ) from None


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text in aligned columns, the header first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())

"""MkDocs hook: write the code map from the docstrings of the packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPO = Path(__file__).parents[2]
PACKAGES = ("flows", "storm")
MARK = "<!-- code map -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the mark on a page by the code map."""
    return markdown.replace(MARK, code_map()) if MARK in markdown else markdown


def code_map() -> str:
    """Return a section for each package: a table of its files and what each one is."""
    sections = []
    for folder in _packages():
        rows = [f"| `{name}` | {gloss} |" for name, gloss in _files(folder)]
        if rows:
            about = _first_line(folder / "__init__.py")
            head = f"## {folder.relative_to(REPO)}\n\n{about}\n\n| file | |\n| --- | --- |\n"
            sections.append(head + "\n".join(rows))
    return "\n\n".join(sections)


def _packages() -> Iterator[Path]:
    for name in PACKAGES:
        inits = sorted((REPO / name).rglob("__init__.py"), key=lambda path: path.parent.parts)
        yield from (path.parent for path in inits)


def _files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.iterdir()):
        if path.name != "__init__.py" and path.suffix in (".py", ".yaml"):
            yield path.name, _first_line(path).replace("|", "\\|")


def _first_line(path: Path) -> str:
    """Return the first line of a module's docstring, or of a profile's comment."""
    text = path.read_text()
    if path.suffix == ".yaml":
        return text.splitlines()[0].removeprefix("#").strip()
    return (ast.get_docstring(ast.parse(text)) or "").split("\n\n")[0].replace("\n", " ")

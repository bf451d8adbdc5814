"""What the README takes from the repository: `python -m tests.readme` writes it anew."""

from __future__ import annotations

import ast
import re
from pathlib import Path

REPO = Path(__file__).parents[1]
README = REPO / "README.md"
FOLDERS = [
    REPO / "flows",
    REPO / "storm",
    *sorted(p for p in (REPO / "storm").iterdir() if (p / "__init__.py").is_file()),
]


def gloss(path: Path) -> str:
    """The first sentence of a module's docstring, or of a profile's comment."""
    text = path.read_text()
    if path.suffix == ".yaml":
        return re.sub(r"^#\s*", "", text.splitlines()[0])
    doc = ast.get_docstring(ast.parse(text)) or ""
    return doc.split("\n\n")[0].replace("\n", " ")


def tree() -> str:
    """A line for each file: its path below its folder, and its gloss."""
    lines = []
    for folder in FOLDERS:
        lines.append(f"{folder.relative_to(REPO)}/")
        for path in sorted(folder.iterdir()):
            if path.suffix in (".py", ".yaml") and (text := gloss(path)):
                lines.append(f"  {path.name:<20} {text}")
    return "\n".join(lines)


def with_part(readme: str, name: str, content: str) -> str:
    """The README with what stands between the markers of `name` replaced."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    pattern = re.compile(f"{begin}.*?{end}", re.DOTALL)
    assert pattern.search(readme), f"no markers for {name} in the README"
    return pattern.sub(lambda _: f"{begin}\n```\n{content}\n```\n{end}", readme)


if __name__ == "__main__":
    README.write_text(with_part(README.read_text(), "tree", tree()))

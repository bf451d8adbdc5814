"""README and docs agree with the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from storm.pipeline.assemble import assemble
from storm.profiles import load, names

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
TEXT = "\n".join(page.read_text() for page in PAGES)


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text(), re.M))
    assert set(re.findall(r"^\$? ?make ([a-z]+)", TEXT, re.M)) <= targets
    assert set(re.findall(r"`make ([a-z]+)[` ]", TEXT)) <= targets


def test_flows_exist() -> None:
    for flow in re.findall(r"python -m flows\.(\w+)", TEXT):
        assert (REPO / "flows" / f"{flow}.py").is_file()


def test_profiles_load() -> None:
    for name in set(re.findall(r"--profile (\w+)\b(?!\.)", TEXT)):
        assert name in names()
        load(name, ["videos.questions=q.json"] if name == "clips" else [])


def test_profiles_in_the_pages_load(tmp_path: Path) -> None:
    profiles = re.findall(r'^```yaml title="([\w.]+)"\n(?!--8)(.*?)^```$', TEXT, re.M | re.S)
    assert [name for name, _ in profiles] == ["mine.yaml"]
    for name, text in profiles:
        (tmp_path / name).write_text(text)
        assemble(load(str(tmp_path / name)))


def test_the_readme_links_to_files() -> None:
    for target in re.findall(r"\]\((?!http)([^)#]+)", (REPO / "README.md").read_text()):
        assert (REPO / target).is_file(), target


@pytest.mark.integration
def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """Links, anchors and references are checked, and no page loads anything from elsewhere."""
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, "--site-dir", str(tmp_path)], cwd=REPO, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|link|img)[^>]+(?:src|href)="(https?://[^"]+)', page.read_text()
        )
        assert not loaded, page
    text = re.sub(r"<[^>]+>", "", (tmp_path / "extending.html").read_text())
    for path in (REPO / "docs" / "example_package").rglob("*.py"):
        for line in re.findall(r"^(?:class \w+|[A-Z]+ =)", path.read_text(), re.M):
            assert line in text, f"{path.name} is not in the page"

"""The rules of the house that a machine can hold."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import storm

ROOT = Path(storm.__file__).parents[1]
SOURCES = sorted(p for f in ("storm", "flows", "tests") for p in (ROOT / f).rglob("*.py"))
NAMES = {path.relative_to(ROOT).as_posix(): path for path in SOURCES}
MOST_LINES, MEDIAN_LINES, FUNCTION_LINES = 350, 110, 60
# Functions that a reader would miss the whole of, if they were cut.
LONG_FUNCTIONS = {
    "storm/cli/answer.py:answer",  # one option a line
    "storm/cli/evaluate.py:evaluate",
    "storm/cli/score.py:score",
    "storm/benchmarks/lmms_files.py:write_lmms_files",
    "storm/student/batch.py:collate",  # one pass over the rows of a batch
    "tests/bench/keyframes.py:speed",
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def test_imports_run_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "0 broken" in found.stdout


def test_only_flows_knows_prefect() -> None:
    knowing = {p for p in SOURCES if any(i.partition(".")[0] == "prefect" for i in imports(p))}
    assert knowing, "flows does"
    assert {p.relative_to(ROOT).parts[0] for p in knowing} <= {"flows", "tests"}


def test_files_stay_small() -> None:
    long = {n for n, path in NAMES.items() if len(path.read_text().splitlines()) > MOST_LINES}
    assert not long


def test_most_files_are_much_smaller() -> None:
    sizes = [len(path.read_text().splitlines()) for path in SOURCES]
    assert statistics.median(size for size in sizes if size) < MEDIAN_LINES


def test_functions_stay_short() -> None:
    long = {
        f"{name}:{node.name}"
        for name, path in NAMES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES
    }
    assert long <= LONG_FUNCTIONS


def test_every_stage_is_in_one_word() -> None:
    """Stage, artifact folder and name are the same word, and no two kinds share it by accident."""
    from storm.pipeline.assemble import assemble
    from storm.profiles import load

    names = {stage.name for stage in assemble(load("smoke"))}
    assert names == {
        *("videos", "keyframes", "thought_prompts", "thought_videos", "latent_targets"),
        *("base", "video_features", "stage_one", "stage_two", "fine_tuning"),
        *("predictions", "results"),
    }


def test_errors_form_one_tree_with_exit_codes() -> None:
    from storm import errors

    found = {n: v for n, v in vars(errors).items() if isinstance(v, type)}
    assert all(issubclass(e, errors.StormError) for e in found.values())
    assert all(f"- {n} " in (errors.__doc__ or "") for n in found if n != "StormError")
    codes = {n: e.exit_code for n, e in found.items() if e.exit_code != 1}
    assert codes == {
        "ConfigError": 2,
        "DataError": 65,
        "UnfitQuestion": 65,
        "UnreadableVideo": 65,
        "WorkspaceBusy": 75,
    }

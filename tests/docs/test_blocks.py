"""The blocks of README and docs run as they are printed.

The pages are executed in a folder that holds a finished run of the profile `smoke`: every page's
blocks marked `sh` and `python`, in order.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flow_runs import FinishedRun

REPO = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.M | re.S)
PAGES = {
    path.relative_to(REPO).as_posix(): blocks
    for path in [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
    if (blocks := BLOCK.findall(path.read_text()))
}

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, smoke_run: FinishedRun) -> Path:
    """Return a folder whose `artifacts` hold a finished run of the profile `smoke`."""
    folder = tmp_path_factory.mktemp("docs")
    assert smoke_run.copy_to(folder / "artifacts").code == 0, smoke_run.err
    return folder


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(workspace: Path, prefect_home: Path, prefect_api: str, page: str) -> None:
    for language, code in PAGES[page]:
        prefect = {"PREFECT_HOME": str(prefect_home), "PREFECT_API_URL": prefect_api}
        execute(language, code, workspace, prefect)


def execute(language: str, code: str, folder: Path, prefect: dict[str, str]) -> None:
    """Run a block in `folder`, with this environment's commands; it has to succeed."""
    program = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        **prefect,
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [*program, code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"

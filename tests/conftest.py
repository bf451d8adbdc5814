"""Stages made for tests live in tests/support: children unpickle them by module name."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: pytest-xdist fills the cores

import pytest
from filelock import FileLock
from hypothesis import settings

from storm.artifacts.store import Store
from storm.process.environment import set_environment

set_environment()  # before the libraries load that read it

SUPPORT = str(Path(__file__).parent / "support")

sys.path.insert(0, SUPPORT)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [SUPPORT, os.environ.get("PYTHONPATH")]))

from flow_runs import FinishedRun, flow  # noqa: E402
from prefect_server import prefect_server  # noqa: E402

settings.register_profile("storm", deadline=None, max_examples=50)  # machines may be busy
settings.load_profile("storm")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of toy stages."""
    return Store(tmp_path / "root")


@pytest.fixture
def diary(tmp_path: Path) -> Path:
    """Where toy stages note what they work on."""
    path = tmp_path / "diary"
    path.touch()
    return path


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one Prefect home for all flows of a session: each new one costs a migration."""
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a Prefect server, for flows that need not start their own."""
    with prefect_server(tmp_path_factory.mktemp("prefect_server")) as api:
        yield api


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory: pytest.TempPathFactory, prefect_home: Path) -> FinishedRun:
    """Return a finished run of the profile `smoke` with a server of its own.

    All workers of a session share it: copy its root before changing anything.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    file = shared / "smoke_run.json"
    with FileLock(shared / "smoke_run.lock"):
        if not file.is_file():
            root = shared / "smoke_run" / "artifacts"
            with flow(root, prefect_home) as run:
                done = run.run("full_pipeline")
                finished = FinishedRun(str(root), run.mark, done.code, done.out, done.err)
            file.write_text(json.dumps(asdict(finished)))
    return FinishedRun(**json.loads(file.read_text()))

"""An environment of its own for lmms-eval, which wants an older PyAV than the project has."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".venv-lmms"
PACKAGES = ("lmms-eval==0.7.3", "av<16")


def python() -> Path:
    """Its interpreter; made once, in about a minute. Without a registry the test is skipped.

    It sees the project's own packages behind what is installed into it.
    """
    ready, found = FOLDER / ".ready", FOLDER / "bin" / "python"
    if ready.exists():
        return found
    venv.create(FOLDER, with_pip=True, clear=True)
    packages = sysconfig.get_paths()["purelib"]
    (own,) = FOLDER.glob("lib/python*/site-packages")
    (own / "project.pth").write_text(f"{packages}\n")
    install = [str(found), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for arguments in (PACKAGES, ("--no-deps", "--editable", str(ROOT))):
        made = subprocess.run([*install, *arguments], capture_output=True, text=True)
        if made.returncode and _is_offline(made.stderr):
            pytest.skip("no package registry can be reached, to install lmms-eval from")
        assert made.returncode == 0, made.stderr
    ready.touch()
    return found


def _is_offline(errors: str) -> bool:
    return "CI" not in os.environ and "Failed to establish a new connection" in errors


def run(*arguments: str | Path, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run its Python, offline, on this checkout."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "PATH": os.pathsep.join([str(FOLDER / "bin"), os.environ["PATH"]]),
    }
    command = [str(python()), *map(str, arguments)]
    return subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=timeout
    )

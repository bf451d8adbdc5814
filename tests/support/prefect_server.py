"""A Prefect server on loopback that ends with the process that started it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPO = Path(__file__).parents[2]


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Yield the address of the API of a running server whose database is in `home`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "PREFECT_HOME": str(home),
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "STORM_OWNER_PID": str(os.getpid()),
    }
    with open(home / "server.log", "ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(port)],
            cwd=REPO,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    api = f"http://127.0.0.1:{port}/api"
    try:
        _wait_until_up(server, api, home / "server.log")
        yield api
    finally:
        server.kill()
        server.wait()


def _wait_until_up(server: subprocess.Popen[bytes], api: str, log: Path) -> None:
    end = time.monotonic() + 180
    while True:
        try:
            with urllib.request.urlopen(f"{api}/health", timeout=5):
                return
        except OSError:
            assert server.poll() is None, log.read_text()[-4000:]
            assert time.monotonic() < end, log.read_text()[-4000:]
            time.sleep(0.2)

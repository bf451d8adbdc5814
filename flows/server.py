"""The Prefect server of a run that was given none: it ends with the run, however the run ends."""

from __future__ import annotations

import subprocess

from prefect.server.api.server import SubprocessASGIServer


class OwnServer(SubprocessASGIServer):
    """Prefect's temporary server. Make one before a flow begins: Prefect will use it.

    A shell waits at the end of a pipe that only this process holds, then kills the server; so a
    killed process leaves none behind.
    """

    def _run_uvicorn_command(self) -> subprocess.Popen[bytes]:
        server = super()._run_uvicorn_command()
        self.guard = subprocess.Popen(
            ["sh", "-c", f"read -r line; kill -9 {server.pid} 2>/dev/null"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        return server

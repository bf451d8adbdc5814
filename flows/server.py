"""Temporary Prefect server that always exits with the run."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import BinaryIO

from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import Settings, get_current_settings

from storm.process.owner import watch_owner


class OwnServer(SubprocessASGIServer):
    """Prefect's temporary server, tied to this process.

    Create it before a flow begins: Prefect then starts and uses it. Prefect's own server outlives
    a killed run, and dies of a Ctrl-C before the run can say how it ended.
    """

    # Prefect 3.8 has no public way to say how its temporary server is started. A server of our own
    # behind PREFECT_API_URL would have to repeat its choice of a port and its wait until it is up.
    def _run_uvicorn_command(self) -> subprocess.Popen[bytes]:
        settings = get_current_settings()
        settings.home.mkdir(parents=True, exist_ok=True)
        # its troubles, such as a busy database, don't concern the run, which asks the store
        with open(settings.home / "storm-server.log", "ab") as log:
            return self._start(log, settings)

    def _start(self, log: BinaryIO, settings: Settings) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.server", str(self.port)],
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                **settings.to_environment_variables(exclude_unset=True),
                "PREFECT_UI_ENABLED": "0",
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT__SERVER_FINAL": "1",
                "STORM_OWNER_PID": str(os.getpid()),
            },
            start_new_session=True,
        )


def main(port: str) -> None:
    """Serve Prefect's API on a port of this machine until the owner of this process ends."""
    watch_owner()
    import uvicorn

    app = "prefect.server.api.server:create_app"
    uvicorn.run(
        app, factory=True, host="127.0.0.1", port=int(port), log_level="error", lifespan="on"
    )


if __name__ == "__main__":
    main(sys.argv[1])

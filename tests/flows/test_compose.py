"""The compose file, as far as it can be checked without a container."""

from __future__ import annotations

from pathlib import Path

import yaml

REPO = Path(__file__).parents[2]


def test_the_compose_file_binds_its_server_to_loopback() -> None:
    compose = yaml.safe_load((REPO / "docker" / "compose.yaml").read_text())
    server, worker = compose["services"]["server"], compose["services"]["worker"]
    assert [port.rpartition(":")[0] for port in server["ports"]] == ["127.0.0.1:4200"]
    assert "ports" not in worker
    assert worker["image"] == server["image"]
    assert (REPO / server["build"]["dockerfile"]).is_file()
    mounted = {v.split(":")[0] for s in (server, worker) for v in s["volumes"]}
    assert mounted == compose["volumes"].keys()
    home = "/storm"  # where the image has the checkout
    assert f"STORM_HOME={home}" in (REPO / "docker" / "Dockerfile").read_text()
    assert worker["volumes"] == [f"artifacts:{home}/artifacts"]

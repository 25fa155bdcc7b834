"""The ports of a service on this machine: nginx's, which may change, and Redis', which it has where it is asked for."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.services import ports

if TYPE_CHECKING:
    from tests.services.sites import Site


def test_redis_has_a_port_where_the_target_asks_for_one(site: Site) -> None:
    """It wants a password there, which no command shows; the service and its jobs find it, and another port as well."""
    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    port = ports.find_free()
    settings.write_text(f"{before}redis-port = {port}\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        refused = site.fail("deploy")[1]
    site.run("deploy")
    with socket.create_connection(("127.0.0.1", port)) as stranger:
        stranger.sendall(b"PING\r\n")
        answer = stranger.recv(64)
    password = json.loads((site.state / "secrets.json").read_text())["REDIS_PASSWORD"]
    shown = Path(f"/proc/{site.pids['redis']}/cmdline").read_text()
    settings.write_text(before)
    site.run("deploy")

    assert f"port {port} of 127.0.0.1 is taken by" in refused
    assert "set another redis-port" in refused
    assert answer.startswith(b"-NOAUTH")
    assert str(port) in shown
    assert password not in shown
    assert site.status()["ready"]


def test_nginx_moves_to_another_port(site: Site) -> None:
    """The page is where the settings say, and nowhere else."""
    settings = site.folder / "pyproject.toml"
    before = settings.read_text()
    port = ports.find_free()
    settings.write_text(before.replace(f"port = {site.port}", f"port = {port}"))
    site.run("deploy")

    assert "<html" in replace(site, port=port).text()
    with pytest.raises(OSError, match="refused"):
        site.text()
    settings.write_text(before)
    site.run("deploy")
    assert "<html" in site.text()

from __future__ import annotations

import contextlib
import http.server
import os
import threading
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.test_deploy_servers import running
from tests.unit.test_deploy_shelf import make

from estiba.deploy import settings
from estiba.deploy.folder import Folder
from estiba.deploy.machine import Machine
from estiba.deploy.program import Programs
from estiba.deploy.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def port() -> Iterator[int]:
    """Answer as nginx does, on a free port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def machine(tmp_path: Path, port: int) -> Machine:
    """Return a machine with that port."""
    folder = Folder.at(tmp_path / "state")
    folder.prepare()
    shelf = Shelf(folder=folder, runner=RecordingRunner())
    found = settings.load(tmp_path, "local", {"local": {"port": port}}, state=tmp_path)
    return Machine(folder=folder, settings=found, shelf=shelf, runner=RecordingRunner())


def test_nginx_is_told_of_settings_that_a_killed_command_only_wrote(machine: Machine, tmp_path: Path) -> None:
    """What nginx has read is noted after it was told; until then every command tells it again, and then none."""
    release = make(tmp_path / "one")
    release.proxy_settings.write_text("first")
    programs = Programs(folder=machine.folder, release=release, env={}, memory={})
    machine.servers.install("nginx", programs)
    wanted = machine._set_proxy(programs)
    machine.folder.write(machine.folder.path / "proxy.json", {**wanted, "settings": "of the one before"})
    with running(machine.servers, "nginx") as place, contextlib.ExitStack() as stack:
        os.mkfifo(place / "supervise" / "control")
        control = os.open(place / "supervise" / "control", os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, control)

        assert not machine.start_proxy(programs)
        assert os.read(control, 9) == b"h"
        assert not machine.start_proxy(programs)
        assert os.read(control, 9) == b""

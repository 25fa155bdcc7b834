from __future__ import annotations

import contextlib
import http.server
import os
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner
from tests.unit.deploy.host.servers.test_lifecycle import running
from tests.unit.deploy.host.state.test_revisions import make

from estiba.deploy.host import checks, settings
from estiba.deploy.host.processes import Processes
from estiba.deploy.host.servers import ports
from estiba.deploy.host.state import users
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.deploy.host.supervise.program import Programs
from estiba.deploy.host.supervise.runit import Runit
from estiba.errors import ConfigError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as nginx of a target does."""

    target = b""

    def do_GET(self) -> None:
        """Say which target it is."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.target)))
        self.end_headers()
        self.wfile.write(self.target)


@pytest.fixture
def port() -> Iterator[int]:
    """Answer as nginx does, on a free port."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def processes(tmp_path: Path, port: int) -> Processes:
    """Return a machine with that port."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    Handler.target = folder.secret("PROBE").encode()
    revisions = RevisionStore(folder=folder, runner=RecordingRunner())
    found = settings.parse("local", {"port": port}, folder=tmp_path, state=tmp_path)
    return Processes(folder=folder, settings=found, revisions=revisions, runner=RecordingRunner())


def test_nginx_is_told_of_settings_that_a_killed_command_only_wrote(processes: Processes, tmp_path: Path) -> None:
    """What nginx has read is noted after it was told; until then every command tells it again, and then none."""
    closure = make(tmp_path / "one")
    closure.proxy_settings.write_text("first")
    listen = ((processes.settings.address, processes.port()),)
    programs = Programs(folder=processes.folder, closure=closure, env={}, memory={}, listen=listen)
    processes.servers.install("nginx", programs)
    processes.servers.install("listener", programs)
    wanted = processes._write_proxy_settings(programs)
    processes.folder.write(processes.folder.path / "proxy.json", {**wanted, "settings": "of the one before"})
    with (
        running(processes.servers, "listener"),
        running(processes.servers, "nginx") as place,
        contextlib.ExitStack() as stack,
    ):
        os.mkfifo(place / "supervise" / "control")
        control = os.open(place / "supervise" / "control", os.O_RDONLY | os.O_NONBLOCK)
        stack.callback(os.close, control)

        assert not processes.start_proxy(programs)
        assert os.read(control, 9) == b"h"
        assert not processes.start_proxy(programs)
        assert os.read(control, 9) == b""


def test_port_of_its_own_listener_is_no_conflict(processes: Processes, tmp_path: Path) -> None:
    """Whatever is noted of nginx, as by a command that was killed after the listener had moved."""
    listen = ((processes.settings.address, processes.port()),)
    programs = Programs(folder=processes.folder, closure=make(tmp_path / "one"), env={}, memory={}, listen=listen)
    processes.servers.install("listener", programs)
    processes.folder.write(processes.folder.path / "proxy.json", {"port": 1})
    with pytest.raises(TargetError, match="is taken"):
        processes.check_ports()

    with running(processes.servers, "listener"):
        processes.check_ports()


def test_sockets_are_opened_again_where_new_ones_cannot_be(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that is taken on another address costs no service."""
    listen = (("127.0.0.1", 1),)
    programs = Programs(folder=processes.folder, closure=make(tmp_path / "one"), env={}, memory={}, listen=listen)
    runit = processes.runit
    for service in ("listener", "nginx"):
        processes.servers.install(service, programs)
    with running(processes.servers, "listener") as place:
        known = {"listen": "listen 127.0.0.1:1;\n"}
        monkeypatch.setattr(Runit, "end", lambda runit, service: runit.down(service))
        with pytest.raises(TargetError, match="is taken"):
            processes._free_port(known)

        assert not (place / "down").exists()
        assert not (runit.services / "nginx" / "down").exists()
        assert (processes.revisions.serve / "listen.conf").read_text() == known["listen"]


def test_chosen_port_is_not_one_of_the_front(processes: Processes, tmp_path: Path) -> None:
    """That binds its own ones after the first deployment has chosen."""
    plain = replace(processes, settings=settings.parse("local", {}, folder=tmp_path, state=tmp_path))
    free = plain.port()
    (processes.folder.path / "port.json").unlink()
    tls = {"hosts": ["a"], "tls": {"certificate": "a", "key": "b"}, "http-port": free, "https-port": free + 1}
    known = replace(processes, settings=settings.parse("local", tls, folder=tmp_path, state=tmp_path))

    assert known.port() not in {free, free + 1}


def test_port_that_another_process_has_chosen_is_passed_over() -> None:
    """It is bound only after its release has started."""
    program = "from estiba.deploy.host.servers import ports; print(ports.choose('127.0.0.1'), flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        chosen = int(other.stdout.readline())
        passed = ports.choose("127.0.0.1", chosen)
        other.stdin.write("\n")

    assert passed > chosen
    assert ports.choose("127.0.0.1", chosen) == chosen


def test_nginx_of_another_target_is_not_taken_for_this_ones(processes: Processes, tmp_path: Path) -> None:
    """Two may have chosen one port, and the other's would answer for both."""
    programs = Programs(folder=processes.folder, closure=make(tmp_path / "one"), env={}, memory={})
    assert processes._has_proxy(programs)
    Handler.target = b"another"

    assert not processes._has_proxy(programs)
    assert processes._has_proxy(replace(programs, closure=replace(programs.closure, has_users=False)))


def test_release_of_before_needs_no_listener(processes: Processes, tmp_path: Path) -> None:
    """Its starter cannot hold sockets, so its nginx binds them itself."""
    closure = replace(make(tmp_path / "one"), has_listener=False)
    closure.proxy_settings.write_text("first")
    programs = Programs(folder=processes.folder, closure=closure, env={}, memory={})
    processes.servers.install("nginx", programs)
    with running(processes.servers, "nginx"):
        assert not processes.start_proxy(programs)

    assert "sockets" not in processes.runit.installed("nginx")
    assert processes.runit.installed("listener") == {}


def test_nginx_sees_the_folders_that_it_sends_from(tmp_path: Path) -> None:
    """Each has a place in its root file system, and is created with the release's other data."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    found = settings.parse("local", {"internal": {"/internal/": "data"}}, folder=tmp_path, state=tmp_path)
    processes = Processes(
        folder=folder, settings=found, revisions=RevisionStore(folder=folder, runner=RecordingRunner())
    )
    programs = Programs(folder=folder, closure=make(tmp_path / "one"), env={}, memory={}, internal=("/app/data",))

    processes.keep_data(["/app/data", "/app/other"])

    directory = folder.path / "services/nginx"
    bind = programs.nginx(directory)["binds"]["/srv/folders/app/data"]
    assert os.path.normpath(directory / bind) == str(folder.path / "data/folders/app/data")
    group = folder.user(users.NGINX)
    kept = folder.path / "data/folders/app"
    assert [(kept / name).stat().st_gid == group for name in ("data", "other")] == [folder.is_root, False]


def test_folder_that_is_not_kept_is_refused(tmp_path: Path) -> None:
    """What nginx is to send from outlives a release, or there would be nothing."""
    folder = StateFolder.at(tmp_path / "state")
    found = settings.parse("local", {"internal": {"/internal/": "data"}}, folder=tmp_path, state=tmp_path)
    processes = Processes(
        folder=folder, settings=found, revisions=RevisionStore(folder=folder, runner=RecordingRunner())
    )
    closure = make(tmp_path / "one")

    checks._check_data(processes, replace(closure, persist=("/app/data",)))
    with pytest.raises(ConfigError, match="'internal' has '/app/data', which is not in 'persist'"):
        checks._check_data(processes, closure)

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.recording import RecordingRunner

from estiba.deploy.host.closure import Files, HostClosure
from estiba.deploy.host.servers.lifecycle import SERVERS, Servers
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise.program import Programs
from estiba.deploy.host.supervise.runit import Runit
from estiba.digest import Digest
from estiba.service.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIGESTS = {"nginx": "sha256:n", "postgresql": "sha256:p", "redis": "sha256:r"}
UP = bytes(8) + bytes(4) + (77).to_bytes(4, "little") + b"\0u\0\1"


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    """Return the servers of a folder where nothing runs."""
    folder = StateFolder.at(tmp_path)
    folder.prepare()
    names = (*SERVERS, "web-a", "worker-a")
    return Servers(folder=folder, runit=Runit(folder=folder, names=names), runner=RecordingRunner())


def describe(servers: Servers, name: str, digests: Mapping[str, str]) -> Programs:
    """Return the programs of a release of that name, whose servers are in a root of that name."""
    root = Files(tree=f"/nix/store/{name}-root", binds={}, links={})
    closure = HostClosure(
        path=Path("/nix/store", name),
        digest=Digest("0" * 64),
        service="shop",
        version="1.0",
        revision="",
        lock="",
        app=root,
        env={},
        cwd="/app",
        entrypoint=("/opt/venv/bin/python",),
        media="/app/media",
        static=None,
        processes=(Process(name="web"),),
        probes=(),
        servers=root,
        versions={},
        digests=digests,
        postgresql="17",
        runit=Path("/nix/store/runit"),
    )
    return Programs(folder=servers.folder, closure=closure, env={}, memory={})


@contextlib.contextmanager
def running(servers: Servers, service: str) -> Iterator[Path]:
    """Have a server run as it is set, as its supervisor shows it, and return its folder."""
    place = servers.runit.services / service
    (place / "supervise").mkdir(exist_ok=True)
    (place / "supervise" / "status").write_bytes(UP)
    if not (place / "supervise" / "ok").exists():
        os.mkfifo(place / "supervise" / "ok")
    (place / "started.json").write_bytes((place / "program.json").read_bytes())
    reader = os.open(place / "supervise" / "ok", os.O_RDONLY | os.O_NONBLOCK)
    yield place
    os.close(reader)


def roots(servers: Servers) -> list[tuple[str, str]]:
    """Return what was kept in the store, in turn, by the names of root and release."""
    assert isinstance(servers.runner, RecordingRunner)
    return [(Path(call[4]).name, Path(call[2]).name) for call in servers.runner.calls]


def test_only_the_server_whose_files_are_others_has_changed(servers: Servers) -> None:
    """Another root with the same nginx and PostgreSQL in it leaves those alone."""
    first = describe(servers, "first", DIGESTS)
    second = describe(servers, "second", {**DIGESTS, "redis": "sha256:R"})
    with contextlib.ExitStack() as stack:
        for service in SERVERS:
            servers.install(service, first)
            stack.enter_context(running(servers, service))

        assert servers.changed(second) == ["redis"]
        assert servers.are_configured_for(first)
        assert not servers.are_configured_for(second)


def test_server_that_stays_starts_again_from_the_root_that_is_kept(servers: Servers) -> None:
    """It is left with its program, its starter and its place in the store, all of the release that it started with."""
    servers.install("redis", describe(servers, "first", DIGESTS))
    with running(servers, "redis") as place:
        servers.install("redis", describe(servers, "second", DIGESTS))

    assert servers.runit.installed("redis")["tree"] == "/nix/store/first-root"
    assert (place / "run").readlink() == Path("/nix/store/first/bin/start")
    assert roots(servers) == [("redis-next", "first")]


def test_server_that_does_not_run_starts_from_the_newest_root(servers: Servers) -> None:
    """Nothing is gained by the old one, which can go."""
    servers.install("redis", describe(servers, "first", DIGESTS))
    servers.install("redis", describe(servers, "second", DIGESTS))

    assert servers.runit.installed("redis")["tree"] == "/nix/store/second-root"
    assert roots(servers) == [("redis-next", "first"), ("redis-next", "second")]


def test_other_settings_change_a_server_too(servers: Servers) -> None:
    """The same files with another command are another server."""
    programs = describe(servers, "first", DIGESTS)
    servers.install("postgresql", programs)
    with running(servers, "postgresql"):
        assert servers.changed(replace(programs, memory={"work_mem": "8MB"})) == ["postgresql"]


def test_password_of_redis_is_in_no_command(servers: Servers) -> None:
    """A command is shown to every user of the machine."""
    programs = replace(describe(servers, "first", DIGESTS), redis_port=6379)
    place = servers.runit.services / "redis"

    argv = programs.redis(place)["argv"]

    assert argv[:2] == ["/usr/bin/redis-server", "/srv/settings/redis/redis.conf"]
    assert argv[argv.index("--port") + 1] == "6379"
    assert servers.folder.secret("REDIS_PASSWORD") not in " ".join(argv)


def test_servers_of_a_release_that_names_no_files_are_those_of_its_root(servers: Servers) -> None:
    """A release that was built before servers were told apart changes them with the whole root."""
    servers.install("nginx", describe(servers, "first", {}))
    with running(servers, "nginx"):
        assert servers.changed(describe(servers, "first", {})) == []
        assert servers.changed(describe(servers, "second", {})) == ["nginx"]


def test_server_that_died_between_two_changes_keeps_what_it_started_again_from(servers: Servers) -> None:
    """It was set to the second release and took that by itself; the third must not take its files away."""
    for name in ("first", "second"):
        servers.install("redis", describe(servers, name, {**DIGESTS, "redis": name}))
    with running(servers, "redis") as place:
        (servers.folder.path / "roots" / "redis-next").symlink_to("/nix/store/second")
        servers.install("redis", describe(servers, "third", {**DIGESTS, "redis": "third"}))

    assert roots(servers)[2:] == [("redis", "second"), ("redis-next", "third")]
    assert (place / "run").readlink() == Path("/nix/store/third/bin/start")

"""Lifecycle of PostgreSQL, Redis and nginx: start, comparison with a release, restart as those of another release.

To restart a server, its new program is installed, then the server is asked to end, and the supervisor starts it again.
So the server comes back even if the deploying process is killed meanwhile.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.servers import postgresql, redis
from estiba.deploy.host.supervise import starter
from estiba.deploy.host.supervise.program import LISTENER, is_same
from estiba.endpoint import dial
from estiba.files import lock
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.host.supervise.runit import Runit
    from estiba.process import Runner

DATABASES: Final = ("postgresql", "redis")
PROXY: Final = ("nginx",)
SERVERS: Final = (*DATABASES, LISTENER, *PROXY)

LIMIT: Final = 60.0
"""Seconds until a server has to answer after its start."""

_ENDINGS: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    # Fast shutdown, then immediate shutdown (PostgreSQL's documentation, "Shutting Down the Server").
    "postgresql": (("i", 60.0), ("q", 10.0)),
    # On SIGTERM it writes its append-only file to the disk first.
    "redis": (("t", 60.0), ("k", 10.0)),
}
# SIGQUIT lets requests in progress end; new connections wait in the listener's queue.
_PROXY_ENDING: Final = (("q", 5.0), ("t", 10.0))

_HANDOVER: Final = "handover.sock"
"""Unix socket over which the starter passes file descriptors; see `nix/build/builders/release/start.py`."""

_NEXT: Final = "-next"
_WEB: Final = "web-"
_KILL: Final = ("k", 10.0)
_HOLD: Final = "hold"
"""Lock file of a service; see `nix/build/builders/release/start.py`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Servers of a target.

    Attributes:
        folder: State folder of the target.
        runit: Supervisor of the servers.
        runner: Runner of Nix commands.
    """

    folder: StateFolder
    runit: Runit
    runner: Runner = run

    def changed(self, programs: Programs, services: Sequence[str] = SERVERS) -> list[str]:
        """Return the running servers that differ from those of a release."""
        up = [service for service in services if self.runit.is_up(service)]
        return [
            service for service in up if not is_same(self.runit.running(service), self._describe(service, programs))
        ]

    def are_configured_for(self, programs: Programs) -> bool:
        """Return whether all servers are installed as those of a release, and none runs as another release's."""
        return all(self._is_set(service, programs) for service in SERVERS) and not self.changed(programs)

    def start(self, programs: Programs) -> list[str]:
        """Start PostgreSQL and Redis, and wait until they answer.

        Returns:
            The servers that were restarted because the release brings another build of them.

        Raises:
            DeployError: A server does not start, or does not answer within `LIMIT`.
        """
        closure = programs.closure
        postgresql.initialise(self.folder, programs)
        if programs.redis_port:
            redis.write_password(self.folder)
        # A running supervisor keeps its root: it still starts svlogd and runsv from that store path.
        if not self.runit.is_supervised(DATABASES[0]):
            self.add_root("supervisor", closure.runit)
        # Services that come with this release too: a running supervisor takes seconds to see new ones.
        names = dict.fromkeys([*self.runit.names, *closure.services("a"), *closure.services("b")])
        runit = replace(self.runit, names=tuple(names))
        runit.install_all(starter=starter.find(self.folder, closure))
        runit.start(closure.runit)
        changed = self.changed(programs, DATABASES)
        postgresql.secure(self.folder, programs, is_up=self.runit.is_up(DATABASES[0]))
        for service in DATABASES:
            self.install(service, programs)
        if changed:
            with self._without_jobs():
                postgresql.checkpoint(self.folder, programs)
                since = self.restart(changed, programs)
                self._await(programs, since)
        for service in DATABASES:
            self.up(service, programs)
        self._await(programs, {})
        return changed

    def install(self, service: str, programs: Programs) -> None:
        """Install the program that a server runs from its next start on, unless the running one is the same."""
        closure = programs.closure
        if self.runit.is_up(service):
            if self._is_set(service, programs):
                return
            self._add_root_of_running(service)
        # A second root, since the running process needs its own until it ends.
        self.add_root(f"{service}{_NEXT}", closure.path)
        self.runit.install(service, self._describe(service, programs), starter=starter.find(self.folder, closure))

    def up(self, service: str, programs: Programs) -> None:
        """Start a server that does not run."""
        if not self.runit.is_up(service):
            self.add_root(service, programs.closure.path)
            self.runit.up(service)

    def restart(self, services: Sequence[str], programs: Programs) -> dict[str, float]:
        """Restart servers with their installed programs, and return the start time of each, in seconds since the epoch.

        Raises:
            DeployError: A server does not end.
        """
        since = self.runit.restart({service: _ENDINGS[service] for service in services})
        for service in services:
            self.add_root(service, programs.closure.path)
        return since

    def replace_proxy(self, programs: Programs, is_ready: Callable[[], bool]) -> None:
        """Restart nginx with its installed program; connections made meanwhile wait in the listener's queue.

        Args:
            programs: Programs of the release whose nginx is installed.
            is_ready: Readiness check of the new nginx.

        Raises:
            DeployError: The old nginx does not end, or the new one does not answer.
        """
        (service,) = PROXY
        since = self.runit.restart({service: _PROXY_ENDING})[service]
        self.add_root(service, programs.closure.path)
        self.runit.wait_ready(service, is_ready, LIMIT, since=since)

    def is_listening(self, programs: Programs) -> bool:
        """Return whether the listener holds the sockets that a release's nginx needs."""
        return self.runit.is_up(LISTENER) and not self.changed(programs, [LISTENER])

    def start_listening(self, programs: Programs) -> None:
        """Start the listener, which binds the sockets of nginx (socket activation).

        Raises:
            DeployError: The sockets cannot be bound.
        """
        self.up(LISTENER, programs)
        file = self.runit.services / LISTENER / _HANDOVER
        self.runit.wait_ready(LISTENER, lambda: _is_answered(file), LIMIT)

    def _describe(self, service: str, programs: Programs) -> dict[str, Any]:
        directory = self.runit.services / service
        match service:
            case "postgresql":
                return programs.postgresql(directory)
            case "redis":
                return programs.redis(directory)
            case "nginx":
                return programs.nginx(directory)
            case _:
                return programs.listener()

    def _is_set(self, service: str, programs: Programs) -> bool:
        """Return whether the installed program of a server is that of a release."""
        return is_same(self.runit.installed(service), self._describe(service, programs))

    def add_root(self, name: str, path: Path) -> None:
        """Add a garbage collector root for the closure that a server runs from, or will, in place of the last one."""
        nix.add_root(self.folder.path / "roots" / name, path, runner=self.runner)

    def _add_root_of_running(self, service: str) -> None:
        """Update the root of a server that crashed after an installation, and was restarted with the new program."""
        following = self.folder.path / "roots" / f"{service}{_NEXT}"
        if following.is_symlink() and self.runit.running(service) == self.runit.installed(service):
            self.add_root(service, following.readlink())

    def _await(self, programs: Programs, since: Mapping[str, float]) -> None:
        questions = {
            "postgresql": functools.partial(postgresql.is_ready, self.folder, programs),
            "redis": functools.partial(redis.is_ready, self.folder, is_secured=bool(programs.redis_port)),
        }
        for service, is_ready in questions.items():
            self.runit.wait_ready(service, is_ready, LIMIT, since=since.get(service, 0.0))

    @contextmanager
    def _without_jobs(self) -> Iterator[None]:
        """Stop the workers for the block: a job in progress would fail when its database or queue restarts.

        They stay wanted up, and their starter waits for a lock of this process's: if it is killed, they go on.
        """
        jobs = [service for service in self.runit.names if service not in SERVERS and not service.startswith(_WEB)]
        services = [service for service in jobs if self.runit.is_wanted(service)]
        with ExitStack() as locks:
            for service in services:
                locks.enter_context(lock(self.runit.services / service / _HOLD, wait=True))
            self.runit.restart({service: (("t", self.runit.grace(service)), _KILL) for service in services})
            yield


def _is_answered(path: Path) -> bool:
    # A connection and not the file, which a killed process leaves behind.
    try:
        dial(path).close()
    except OSError:
        return False
    return True

"""The processes of a target: started in order, waited for, paired so that a release can start beside the one before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba import nix
from estiba.deploy import database, lines, port, task
from estiba.deploy.probe import Door
from estiba.deploy.supervisor import Supervisor, until
from estiba.errors import DeployError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.deploy.folder import Folder
    from estiba.deploy.program import Programs
    from estiba.deploy.release import Release
    from estiba.deploy.settings import Settings
    from estiba.deploy.shelf import Entry, Shelf
    from estiba.deploy.task import Ran
    from estiba.process import Runner

SERVERS: Final = ("postgresql", "redis", "nginx")
PAIRED: Final = ("web", "worker", "scheduler")
SLOTS: Final = (*SERVERS, *(f"{name}-{side}" for name in PAIRED for side in "ab"))
"""All services that there may be: the servers once, a release's own processes on one of two sides."""

_SERVER_LIMIT: Final = 60.0
_END_LIMIT: Final = 40.0
_LINES: Final = 30
_SETTLE: Final = 0.2
"""Seconds for requests that were on their way to the old release when the switch came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The processes in a target's folder.

    Attributes:
        folder: The target's folder.
        settings: The target's settings.
        shelf: Its releases.
        runner: Runs Nix.
    """

    folder: Folder
    settings: Settings
    shelf: Shelf
    runner: Runner = run

    @property
    def supervisor(self) -> Supervisor:
        """What keeps them running."""
        return Supervisor(folder=self.folder, slots=SLOTS)

    def start_servers(self, programs: Programs) -> None:
        """Start PostgreSQL and Redis unless they run, and wait until they answer.

        Raises:
            DeployError: One of them does not.
        """
        release = programs.release
        database.initialise(self.folder, programs)
        self.supervisor.install_all(starter=release.starter, supervisor=release.supervisor)
        self._install("postgresql", programs.release, programs.postgresql)
        self._install("redis", programs.release, programs.redis)
        if not self.supervisor.is_alive("postgresql"):
            nix.add_root(self.folder.path / "roots" / "supervisor", release.supervisor, runner=self.runner)
        self.supervisor.start(release.supervisor)
        for slot in ("postgresql", "redis"):
            self._up(slot, release)
        self._await("postgresql", lambda: database.answers_postgresql(self.folder), _SERVER_LIMIT)
        self._await("redis", lambda: database.answers_redis(self.folder), _SERVER_LIMIT)

    def start_proxy(self, programs: Programs) -> None:
        """Start nginx unless it runs, or make it read its configuration again where that has changed.

        Raises:
            DeployError: It does not start.
            TargetError: Its port is taken.
        """
        number = self.port()
        address = f"[{self.settings.address}]" if ":" in self.settings.address else self.settings.address
        listen, settings = self.shelf.serve / "listen.conf", self.shelf.serve / "nginx.conf"
        text = f"listen {address}:{number};\n"
        is_new = not listen.exists() or listen.read_text() != text
        is_new = (
            is_new or not settings.is_symlink() or settings.read_bytes() != programs.release.proxy_settings.read_bytes()
        )
        self._install("nginx", programs.release, programs.nginx)
        self.folder.write_text(listen, text)
        self.folder.link(settings, programs.release.proxy_settings)
        if not self.supervisor.is_up("nginx"):
            port.check(self.settings.address, number)
            self._up("nginx", programs.release)
        elif is_new:
            self.supervisor.signal("nginx", "h")
        self._await("nginx", lambda: self.door().get("/.estiba") != 0, _SERVER_LIMIT)

    def start(self, entry: Entry, programs: Programs) -> None:
        """Start a release's web process beside the one that is served, and wait until it is ready.

        Raises:
            DeployError: It ended, or it is not ready in time.
        """
        slot = f"web-{entry.side}"
        self.free(slot)
        self._install(slot, entry.release, lambda place: programs.web(place, self.shelf.run(entry.number)))
        self.supervisor.up(slot)
        door = self.door_of(entry)
        self._await(slot, lambda: door.is_ready(self.settings.ready), self.settings.ready_limit)

    def door_of(self, entry: Entry) -> Door:
        """Return where a release is asked that is not served yet."""
        return Door(host=self.settings.hosts[0], socket=self.shelf.socket(entry.number))

    def door(self) -> Door:
        """Return where everybody asks."""
        host = self.settings.hosts[0]
        number = self.port()
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        address = anywhere.get(self.settings.address, self.settings.address)
        return Door(host=f"{host}:{number}", address=address, port=number)

    def start_workers(self, entry: Entry, programs: Programs, before: Entry | None) -> None:
        """Start a release's workers and end those of the release before; there is one scheduler at a time."""
        for name in PAIRED[1:]:
            if before and before.side != entry.side:
                self.supervisor.down(f"{name}-{before.side}")
            if name not in entry.release.processes:
                self.supervisor.down(f"{name}-{entry.side}")
                continue
            self._start_worker(name, entry, programs)

    def _start_worker(self, name: str, entry: Entry, programs: Programs) -> None:
        slot = f"{name}-{entry.side}"
        program = programs.service(self.supervisor.services / slot, [name])
        # One that ends after its last job, and is wanted again, starts anew by itself.
        if self.supervisor.installed(slot) != program:
            self.free(slot)
            self._install(slot, entry.release, lambda _place: program)
        self.supervisor.up(slot)

    def end(self, entry: Entry) -> None:
        """Ask all processes of a release to end, after the requests and the job that they work on."""
        for name in PAIRED:
            self.supervisor.down(f"{name}-{entry.side}")

    def settle(self) -> None:
        """Let requests arrive that were on their way."""
        for _ in until(_SETTLE):
            continue

    def free(self, slot: str) -> None:
        """Wait until a service has ended that was asked to; end it for good where it takes too long."""
        self.supervisor.down(slot)
        if not self.supervisor.wait_down(slot, _END_LIMIT):
            self.supervisor.signal(slot, "k")
            self.supervisor.wait_down(slot, _END_LIMIT)

    def stop(self) -> None:
        """End everything: first what asks, then what answers."""
        for group, also in ((("nginx",), ""), (SLOTS[len(SERVERS) :], ""), (("redis",), ""), (("postgresql",), "i")):
            for slot in group:
                self.supervisor.down(slot, also=also)
            for slot in group:
                if not self.supervisor.wait_down(slot, _END_LIMIT):
                    self.supervisor.signal(slot, "k")
        self.supervisor.stop(_END_LIMIT)

    def command(
        self, programs: Programs, words: list[str], *, limit: float, env: Mapping[str, str] | None = None
    ) -> Ran:
        """Run a command of the entry point to its end, with additions to its environment."""

        def describe(place: Path) -> dict[str, Any]:
            made = programs.service(place, words)
            return {**made, "env": {**made["env"], **(env or {})}}

        return task.run(self.folder, programs.release, words[0], describe, limit=limit)

    def port(self) -> int:
        """Return the port that nginx listens on; one that was chosen once stays.

        Raises:
            TargetError: None is free.
        """
        if self.settings.port:
            return self.settings.port
        file = self.folder.path / "port.json"
        known = self.folder.read(file)
        if "port" not in known:
            known = {"port": port.choose(self.settings.address)}
            self.folder.write(file, known)
        return int(known["port"])

    def outdated(self, release: Release) -> list[str]:
        """Return the servers that run another version than a release brings."""
        known = self.folder.read(self.folder.path / "servers.json")
        return [name for name in SERVERS if known.get(name, release.versions[name]) != release.versions[name]]

    def _install(self, slot: str, release: Release, describe: Callable[[Path], Mapping[str, Any]]) -> None:
        place = self.supervisor.services / slot
        self.supervisor.install(slot, describe(place), starter=release.starter, supervisor=release.supervisor)

    def _up(self, slot: str, release: Release) -> None:
        """Start a server unless it runs; what it runs from is kept for as long as it does."""
        if self.supervisor.is_up(slot):
            return
        nix.add_root(self.folder.path / "roots" / slot, release.path, runner=self.runner)
        file = self.folder.path / "servers.json"
        self.folder.write(file, {**self.folder.read(file), slot: release.versions[slot]})
        self.supervisor.up(slot)

    def _await(self, slot: str, is_ready: Callable[[], bool], limit: float) -> None:
        began = lines.stamp()
        for _ in until(limit):
            if is_ready():
                return
            if ended := self.supervisor.has_ended(slot):
                # The logger may still be at the last words.
                self.settle()
                msg = f"{slot} {ended} instead of starting:\n{self._words(slot, began)}"
                raise DeployError(msg)
        msg = f"{slot} is not ready after {limit:g} seconds:\n{self._words(slot, began)}"
        raise DeployError(msg)

    def _words(self, slot: str, began: str) -> str:
        """Return the last lines that a service has logged since it was started."""
        found = lines.last(self.folder.path / "logs", [slot], _LINES)
        return "\n".join(line for line in found if line >= began)

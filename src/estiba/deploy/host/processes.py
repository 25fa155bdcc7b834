"""The processes of a target: started in order, waited for, paired so that a release can start beside the one before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.environment import REDIS_ADDRESS
from estiba.deploy.host.servers import lifecycle, ports
from estiba.deploy.host.servers.lifecycle import PROXY, SERVERS, Servers
from estiba.deploy.host.supervise import oneshot
from estiba.deploy.host.supervise.program import LISTENER
from estiba.deploy.host.supervise.runit import Runit, until
from estiba.deploy.host.supervise.systemd import Unit
from estiba.digest import Digest
from estiba.endpoint import Endpoint
from estiba.errors import DeployError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.settings import Settings
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished
    from estiba.process import Runner

PAIRED: Final = ("web", "worker", "scheduler")
SLOTS: Final = (*SERVERS, *(f"{name}-{side}" for name in PAIRED for side in "ab"))
"""All services that there may be: the servers once, a release's own processes on one of two sides."""

_PROXY_FILE: Final = "proxy.json"
"""What nginx has read."""

_END_LIMIT: Final = 40.0
_PROXY_LIMIT: Final = 1.0
_SETTLE: Final = 0.2
"""Seconds for requests that were on their way to the old release when the switch came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """The processes in a target's folder.

    Attributes:
        folder: The target's folder.
        settings: The target's settings.
        revisions: Its releases.
        runner: Runs Nix.
    """

    folder: StateFolder
    settings: Settings
    revisions: RevisionStore
    runner: Runner = run

    @property
    def runit(self) -> Runit:
        """What keeps them running."""
        return Runit(folder=self.folder, slots=SLOTS, systemd=self.systemd)

    @property
    def systemd(self) -> Unit:
        """What starts the supervisor where systemd can."""
        return Unit(folder=self.folder, is_system=self.folder.user is not None, runner=self.runner)

    @property
    def servers(self) -> Servers:
        """PostgreSQL, Redis and nginx."""
        return Servers(folder=self.folder, runit=self.runit, runner=self.runner)

    def start_proxy(self, programs: Programs) -> bool:
        """Start nginx unless it runs, or make it read its configuration again where that has changed.

        Returns:
            Whether it ran as another release's and was started anew.

        Raises:
            DeployError: It does not start.
            TargetError: Its port is taken.
        """
        wanted = self._set_proxy(programs)
        # What it has read is noted afterwards: who is killed in between has the next one tell it again.
        file = self.folder.path / _PROXY_FILE
        known = self.folder.read(file)
        changed = self.servers.changed(programs, PROXY)
        self.servers.install("nginx", programs)
        if not self.servers.is_listening(programs):
            # The port they have may be the one that they are to have on another address.
            self.runit.free("nginx", _END_LIMIT)
            self.runit.free(LISTENER, _END_LIMIT)
            ports.check(self.settings.address, self.port())
            self.servers.install(LISTENER, programs)
            self.servers.start_listening(programs)
        if not self.runit.is_up("nginx"):
            self.servers.up("nginx", programs)
        elif changed:
            self.servers.replace_proxy(programs, self._has_proxy)
        elif known != wanted:
            self.runit.signal("nginx", "h")
        self.runit.wait_ready("nginx", self._has_proxy, lifecycle.LIMIT)
        self.folder.write(file, wanted)
        return bool(changed)

    def check_ports(self) -> None:
        """Make sure that nginx and Redis can listen where the settings say.

        Raises:
            TargetError: One of them cannot.
        """
        known = self.folder.read(self.folder.path / _PROXY_FILE)
        has_port = self.runit.is_up(LISTENER) or self.runit.is_up("nginx")
        if not has_port or known.get("port", self.port()) != self.port():
            ports.check(self.settings.address, self.port())
        wanted = self.settings.redis_port
        has_redis_port = self.runit.is_up("redis") and str(wanted) in self.runit.running("redis").get("argv", ())
        if wanted and not has_redis_port:
            ports.check(REDIS_ADDRESS, wanted, setting="redis-port")

    def start(self, revision: Revision, programs: Programs) -> None:
        """Start a release's web process beside the one that is served, and wait until it is ready.

        Raises:
            DeployError: It ended, or it is not ready in time.
        """
        slot = f"web-{revision.side}"
        self.runit.free(slot, _END_LIMIT)
        self._install(slot, revision.closure, lambda place: programs.web(place, self.revisions.run(revision.number)))
        self.runit.up(slot)
        endpoint = self.endpoint_of(revision)
        ready = self.settings.ready
        try:
            self.runit.wait_ready(slot, lambda: endpoint.is_ready(ready), self.settings.ready_limit)
        except DeployError as error:
            if not (problem := endpoint.get(ready) and endpoint.problem(ready)):
                raise
            msg = f"{problem}; {error}"
            raise DeployError(msg) from error

    def endpoint_of(self, revision: Revision) -> Endpoint:
        """Return where a release is asked that is not served yet."""
        return Endpoint(host=self.settings.hosts[0], socket=self.revisions.socket(revision.number))

    def endpoint(self) -> Endpoint:
        """Return where everybody asks."""
        host = self.settings.hosts[0]
        number = self.port()
        anywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
        address = anywhere.get(self.settings.address, self.settings.address)
        return Endpoint(host=f"{host}:{number}", address=address, port=number)

    def start_workers(self, revision: Revision, programs: Programs, before: Revision | None) -> None:
        """Start a release's workers and end those of the release before; there is one scheduler at a time."""
        for name in PAIRED[1:]:
            if before and before.side != revision.side:
                self.runit.down(f"{name}-{before.side}")
            if name not in revision.closure.processes:
                self.runit.down(f"{name}-{revision.side}")
                continue
            self._start_worker(name, revision, programs)

    def _start_worker(self, name: str, revision: Revision, programs: Programs) -> None:
        slot = f"{name}-{revision.side}"
        program = programs.service(self.runit.services / slot, [name])
        # One that ends after its last job, and is wanted again, starts anew by itself.
        if self.runit.installed(slot) != program:
            self.runit.free(slot, _END_LIMIT)
            self._install(slot, revision.closure, lambda _place: program)
        self.runit.up(slot)

    def end(self, revision: Revision) -> None:
        """Ask all processes of a release to end, after the requests and the job that they work on."""
        for name in PAIRED:
            self.runit.down(f"{name}-{revision.side}")

    def settle(self) -> None:
        """Let requests arrive that were on their way."""
        for _ in until(_SETTLE):
            continue

    def stop(self) -> None:
        """End everything: first what asks, then what answers."""
        servers = ((("nginx", LISTENER), ""), (SLOTS[len(SERVERS) :], ""), (("redis",), ""), (("postgresql",), "i"))
        for group, also in servers:
            for slot in group:
                self.runit.down(slot, also=also)
            for slot in group:
                if not self.runit.wait_down(slot, _END_LIMIT):
                    self.runit.signal(slot, "k")
        self.runit.stop(_END_LIMIT)

    def command(
        self, programs: Programs, words: list[str], *, limit: float, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run a command of the entry point to its end, with additions to its environment."""

        def describe(place: Path) -> dict[str, Any]:
            made = programs.service(place, words)
            return {**made, "env": {**made["env"], **(env or {})}}

        return oneshot.run(self.folder, programs.closure, words[0], describe, limit=limit)

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
            known = {"port": ports.choose(self.settings.address)}
            self.folder.write(file, known)
        return int(known["port"])

    def _set_proxy(self, programs: Programs) -> dict[str, Any]:
        """Write down what nginx reads, and return what there is to know of it."""
        number, settings = self.port(), programs.closure.proxy_settings
        address = f"[{self.settings.address}]" if ":" in self.settings.address else self.settings.address
        text = f"listen {address}:{number};\n"
        self.folder.write_text(self.revisions.serve / "listen.conf", text)
        self.folder.link(self.revisions.serve / "nginx.conf", settings)
        return {"listen": text, "port": number, "settings": str(Digest.of_file(settings))}

    def _has_proxy(self) -> bool:
        # Who connects while no nginx is there waits for one, and is not refused.
        return replace(self.endpoint(), timeout=_PROXY_LIMIT).get("/.estiba") != 0

    def _install(self, slot: str, closure: HostClosure, describe: Callable[[Path], Mapping[str, Any]]) -> None:
        place = self.runit.services / slot
        self.runit.install(slot, describe(place), starter=closure.starter)

"""Processes of a target: start and stop order, readiness, and A/B slots for starting a release beside another one."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.environment import REDIS_ADDRESS
from estiba.deploy.host.servers import lifecycle, ports, proxy, published
from estiba.deploy.host.servers.lifecycle import PROXY, SERVERS, Servers
from estiba.deploy.host.state.folder import damage
from estiba.deploy.host.supervise import oneshot, starter
from estiba.deploy.host.supervise.program import LISTENER
from estiba.deploy.host.supervise.runit import GRACE, Runit, until
from estiba.deploy.host.supervise.systemd import Unit
from estiba.digest import Digest
from estiba.endpoint import Endpoint
from estiba.errors import TargetError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from estiba.deploy.host.settings import Settings
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished
    from estiba.process import Runner

_USUAL: Final = ("web", "worker", "scheduler")
"""Processes that have services also where no release has them, so that most find a supervisor that knows theirs."""

_PORT_FILE: Final = "port.json"
_PROXY_FILE: Final = "proxy.json"
"""File with the configuration that nginx has loaded: `listen`, `port`, and the digest of `nginx.conf`."""

_PROBE: Final = "PROBE"
"""Name, among the secrets, of what nginx of this target answers at `/.estiba`."""

_PROXY_LIMIT: Final = 1.0
_REDIS_PORT: Final = 16379
"""First port that the search for one of Redis tries; 6379 is that of a machine's own."""

_DRAIN: Final = 0.2
"""Seconds for requests that nginx had passed to the previous release when the switch came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Processes of a target.

    Attributes:
        folder: State folder of the target.
        settings: Settings of the target.
        revisions: Revisions of the target.
        runner: Runner of Nix and systemctl.
    """

    folder: StateFolder
    settings: Settings
    revisions: RevisionStore
    runner: Runner = run

    @property
    def runit(self) -> Runit:
        """Supervisor of the processes."""
        return Runit(folder=self.folder, names=self.services, systemd=self.systemd)

    @property
    def services(self) -> tuple[str, ...]:
        """Names of all supervised services: each server once, each process of a release in slot `a` and in slot `b`."""
        usual = [f"{name}-{slot}" for name in _USUAL for slot in "ab"]
        folder = self.folder.path / "services"
        known = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
        return tuple(dict.fromkeys([*SERVERS, *usual, *known]))

    @property
    def systemd(self) -> Unit:
        """Systemd unit that runs the supervisor, where systemd is PID 1."""
        return Unit(folder=self.folder, is_system=self.folder.is_root, runner=self.runner)

    @property
    def servers(self) -> Servers:
        """PostgreSQL, Redis and nginx."""
        return Servers(folder=self.folder, runit=self.runit, runner=self.runner)

    def start_proxy(self, programs: Programs) -> bool:
        """Start nginx, restart it if the release brings another build, or reload its configuration if that changed.

        Returns:
            Whether it was restarted.

        Raises:
            DeployError: nginx does not start.
            TargetError: The port is taken.
        """
        wanted = self._write_proxy_settings(programs)
        # It sees what a release has just been given to send from, also where that release is served already.
        self.keep_data(proxy.list_folders(self.settings))

        def has_proxy() -> bool:
            return self._has_proxy(programs)

        # Written after the reload: if this process is killed in between, the next command reloads once more.
        file = self.folder.path / _PROXY_FILE
        known = self.folder.read_state(file)
        changed = self.servers.changed(programs, PROXY)
        self.servers.install("nginx", programs)
        if not programs.closure.has_listener:
            if self.runit.is_up(LISTENER):
                self._free_port(known)
        elif not self.servers.is_listening(programs):
            self._free_port(known)
            self.servers.install(LISTENER, programs)
            self.servers.start_listening(programs)
        if not self.runit.is_up("nginx"):
            self.servers.up("nginx", programs)
        elif changed:
            self.servers.replace_proxy(programs, has_proxy)
        elif known != wanted:
            self.runit.signal("nginx", "h")
        self.runit.wait_ready("nginx", has_proxy, lifecycle.LIMIT)
        self.folder.write(file, wanted)
        return bool(changed)

    def keep_data(self, places: Iterable[str]) -> None:
        """Create the folders of data that a service names, by their places in its root file system."""
        self.folder.keep(places, shared=proxy.list_folders(self.settings))

    def check_ports(self) -> None:
        """Check that the ports of nginx and Redis are free, or held by those of this target.

        Raises:
            TargetError: A port is taken, or not allowed for this user.
        """
        if not self.settings.port and not (self.folder.path / _PROXY_FILE).exists():
            # Nobody knows the port before it was served once, and another target may have chosen the same meanwhile.
            self.folder.write(self.folder.path / _PORT_FILE, {"port": self._choose_port(self.settings.address)})
        # A port that this target's own server listens on is no conflict.
        if self.port() not in self._find_ports():
            ports.check(self.settings.address, self.port())
        wanted = self.redis_port()
        has_redis_port = self.runit.is_up("redis") and str(wanted) in self.runit.running("redis").get("argv", ())
        if wanted and not has_redis_port:
            ports.check(REDIS_ADDRESS, wanted, setting="redis-port")

    def start(self, revision: Revision, programs: Programs) -> None:
        """Start the web process of a release in its slot, without waiting until it is ready."""
        service = f"web-{revision.slot}"
        # A process of the revision before the previous one may still finish its requests in this slot.
        self.runit.end(service)
        program = programs.web(self.runit.services / service, self.revisions.run(revision.number))
        self.runit.install(service, program, starter=starter.find(self.folder, revision.closure))
        self.runit.up(service)

    def endpoint_of(self, revision: Revision) -> Endpoint:
        """Return the endpoint of a release itself, its Unix socket, which needs no nginx."""
        is_behind = bool(self.settings.trusted_proxies)
        socket = self.revisions.socket(revision.number)
        return Endpoint(host=self.settings.hosts[0], socket=socket, is_behind_tls=is_behind)

    def endpoint(self) -> Endpoint:
        """Return the endpoint of the service, nginx's port."""
        host = self.settings.hosts[0]
        number = self.port()
        address = ports.reachable(self.settings.address)
        is_behind = bool(self.settings.trusted_proxies)
        return Endpoint(host=f"{host}:{number}", address=address, port=number, is_behind_tls=is_behind)

    def proof(self) -> str:
        """Return what nginx of this target answers at `/.estiba`, and no other one."""
        return self.folder.secret(_PROBE)

    def drain(self) -> None:
        """Wait until requests in flight have reached the release that nginx chose for them."""
        for _ in until(_DRAIN):
            continue

    def stop(self) -> None:
        """Stop all processes and the supervisor; clients before the servers that they use.

        Raises:
            DeployError: A process does not end.
        """
        # SIGINT too for PostgreSQL: SIGTERM alone would wait until all clients have disconnected (smart shutdown).
        own = self.services[len(SERVERS) :]
        for group, also in ((("nginx", LISTENER), ""), (own, ""), (("redis",), ""), (("postgresql",), "i")):
            for service in group:
                self.runit.down(service, also=also)
            for service in group:
                if not self.runit.wait_down(service, self.runit.grace(service)):
                    self.runit.signal(service, "k")
        self.runit.stop(GRACE)

    def end_shared(self) -> None:
        """End all processes of a state folder whose service directories belong to them, and write nothing there.

        Raises:
            DeployError: A process does not end.
        """
        self.runit.dismiss(GRACE)

    def command(
        self,
        programs: Programs,
        args: list[str],
        *,
        limit: float,
        env: Mapping[str, str] | None = None,
        name: str = "",
        on_output: Callable[[str], None] | None = None,
    ) -> Finished:
        """Run a command of the image's entry point once, and wait for it.

        Args:
            programs: Programs of the release.
            args: Command of the entry point with its arguments.
            limit: Time limit in seconds.
            env: Environment variables to add.
            name: Name of the log and the folder that it runs in; by default that of the command. One that may run
                while another command holds the lock needs its own.
            on_output: Callback, see `oneshot.run`.
        """

        def describe(directory: Path) -> dict[str, Any]:
            made = programs.command(directory, args)
            return {**made, "env": {**made["env"], **(env or {})}}

        log = name or args[0]
        return oneshot.run(self.folder, programs.closure, log, describe, limit=limit, on_output=on_output)

    @property
    def has_port(self) -> bool:
        """Whether `port` is known without choosing one."""
        return bool(self.settings.port) or "port" in self.folder.read_state(self.folder.path / _PORT_FILE)

    def port(self) -> int:
        """Return the port that nginx listens on; without a setting a free one is chosen once and kept.

        Raises:
            TargetError: No port is free, or the file that keeps it is damaged.
        """
        return self.settings.port or self._keep_port("port", self.settings.address)

    def redis_port(self) -> int:
        """Return the port that Redis listens on, 0 for none; as `port` where Celery needs one.

        Raises:
            TargetError: As for `port`.
        """
        if self.settings.redis_port or not self.settings.has_celery:
            return self.settings.redis_port
        # Outside the range of those for nginx, so that both are chosen before either is taken.
        return self._keep_port("redis", REDIS_ADDRESS, first=_REDIS_PORT)

    def _keep_port(self, name: str, address: str, *, first: int = ports.FIRST) -> int:
        file = self.folder.path / _PORT_FILE
        known = self.folder.read(file)
        if name not in known:
            known = {**known, name: self._choose_port(address, first)}
            self.folder.write(file, known)
        port = known[name]
        if not isinstance(port, int) or not 0 < port <= ports.LAST:
            raise damage(file, f"{port!r} is no port")
        return port

    def _choose_port(self, address: str, first: int = ports.FIRST) -> int:
        """Return a free port, which is not one of the front's."""
        tls = self.settings.tls
        return ports.choose(address, first, taken=(tls.http_port, tls.https_port) if tls else ())

    def _find_ports(self) -> set[int]:
        """Return the ports that the listener holds, or without it nginx."""
        if not (has_listener := self.runit.is_up(LISTENER)) and not self.runit.is_up("nginx"):
            return set()
        if has_listener and (program := self.runit.running(LISTENER)):
            return {port for _, port in program.get("listen", ())}
        return {self.folder.read_state(self.folder.path / _PROXY_FILE).get("port", self.port())}

    def _free_port(self, known: Mapping[str, Any]) -> None:
        """End nginx and its listener, whose sockets may hold the same port on another address, and check the port.

        Args:
            known: Content of `_PROXY_FILE`, which both listen by again if the check fails.

        Raises:
            TargetError: The port is taken.
        """
        had_sockets = self.runit.is_up(LISTENER)
        self.runit.end("nginx")
        self.runit.end(LISTENER)
        try:
            ports.check(self.settings.address, self.port())
        except TargetError:
            if had_sockets and "listen" in known:
                self._write_listen(known["listen"])
                self.runit.up(LISTENER)
                self.runit.up("nginx")
            raise

    def _write_proxy_settings(self, programs: Programs) -> dict[str, Any]:
        """Write the configuration of nginx, and return the content of `_PROXY_FILE` for it."""
        number, settings, can_publish = self.port(), programs.closure.proxy_settings, programs.closure.has_published
        # Another server may have the same port, as on another address, and would answer that nginx is there.
        server = proxy.of_server(self.settings, number, has_published=can_publish)
        text = f'{server}set $estiba_target "{self.proof()}";\n'
        trusted, memory = proxy.list_trusted(self.settings), published.of_http(self.settings.published)
        self._write_listen(text)
        self.folder.write_text(self.revisions.serve / "http.conf", memory, mode=0o644)
        self.folder.write_text(self.revisions.serve / "trusted.conf", trusted, mode=0o644)
        self.folder.link(self.revisions.serve / "nginx.conf", settings)
        digest = str(Digest.of_file(settings))
        return {"http": memory, "listen": text, "port": number, "settings": digest, "trusted": trusted}

    def _write_listen(self, text: str) -> None:
        self.folder.write_text(self.revisions.serve / "listen.conf", text, mode=0o644)

    def _has_proxy(self, programs: Programs) -> bool:
        # The listener accepts nothing: while no nginx runs, a request times out instead of being refused.
        with contextlib.suppress(OSError, http.client.HTTPException):
            answer = replace(self.endpoint(), timeout=_PROXY_LIMIT).ask("/.estiba")
            # nginx of earlier versions does not say whose it is.
            return answer.body.decode(errors="replace") == self.proof() or not programs.closure.has_users
        return False

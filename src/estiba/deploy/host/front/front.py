"""The front: starts with the first service that registers, serves all that are registered, ends with the last one.

It belongs to no service: its folder is beside those of the services, one for each user and machine. It has a
supervisor, a listener that holds the ports, nginx, and a process that keeps the certificates. Commands that change it
take turns.
"""

from __future__ import annotations

import contextlib
import http.client
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import files
from estiba.deploy.host import closure as closures
from estiba.deploy.host.front import certificate
from estiba.deploy.host.front.programs import OWNERS, FrontPrograms, check_release
from estiba.deploy.host.front.site import key_of, quote
from estiba.deploy.host.servers import lifecycle, ports
from estiba.deploy.host.servers.lifecycle import PROXY, Servers
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.supervise import starter
from estiba.deploy.host.supervise.program import LISTENER
from estiba.deploy.host.supervise.runit import GRACE, Runit
from estiba.deploy.host.supervise.systemd import Unit
from estiba.digest import Digest
from estiba.endpoint import Endpoint
from estiba.errors import DeployError, TargetError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.front.site import Site
    from estiba.process import Runner

KEEPER: Final = "certificates"
_NAMES: Final = (LISTENER, *PROXY, KEEPER)
_FOLDER: Final = "_front"
"""Folder beside those of the services, none of which can have a name that begins with this character (PEP 508).

Nor can a host (RFC 1123, 2.1), so that nginx answers for it as for all names that no site has.
"""

_STATE: Final = "front.json"
"""What the front runs: `closure`, a store path; `listen` and `settings`, which nginx has loaded."""

_SECRET: Final = "FRONT"  # noqa: S105 - its name
_PROBE_LIMIT: Final = 1.0
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """Front of a user on this machine.

    Attributes:
        folder: Its state folder.
        runner: Runner of Nix and systemctl.
    """

    folder: StateFolder
    runner: Runner = run

    @classmethod
    def at(cls, state: Path, runner: Runner) -> Front:
        """Return the front in the folder of all state, whether it exists or not."""
        return cls(folder=StateFolder.at((state / _FOLDER).resolve()), runner=runner)

    @property
    def runit(self) -> Runit:
        """Supervisor of the front."""
        unit = Unit(folder=self.folder, is_system=self.folder.is_root, runner=self.runner)
        return Runit(folder=self.folder, names=_NAMES, systemd=unit)

    @property
    def servers(self) -> Servers:
        """Listener and nginx."""
        return Servers(folder=self.folder, runit=self.runit, runner=self.runner)

    def check(self, site: Site, closure: HostClosure) -> None:
        """Check before a deployment that a site can be registered.

        Args:
            site: The site.
            closure: Release of the site.

        Raises:
            ConfigError: Its certificate is not valid for all hosts.
            TargetError: The release has no front, another service has one of its hosts, or a port is taken.
        """
        check_release(closure, has_acme=site.tls.acme is not None)
        if site.tls.acme and site.tls.acme.ca:
            certificate.check_authority(site.tls.acme.ca)
        if site.tls.certificate and site.tls.key:
            certificate.check(site.tls.certificate, site.tls.key, site.tls.hosts)
        self._check_others(site)
        held = self._held()
        settings = {site.tls.http_port: "http-port", site.tls.https_port: "https-port"}
        for address, port in site.listen:
            # What the front itself holds, it gives up for the other.
            if not any(pair == (address, port) or ports.is_in_the_way(pair, (address, port)) for pair in held):
                ports.check(address, port, setting=settings[port])

    def _check_others(self, site: Site) -> None:
        """Check that a site has no host, port or address of another one.

        Raises:
            TargetError: It has.
        """
        for other in self._sites().values():
            if other["folder"] == str(site.folder):
                continue
            whose = f"{other['service']}, whose state folder is {other['folder']}"
            if same := sorted({*other["hosts"]} & {*site.tls.hosts}):
                msg = f"{', '.join(same)} is a host of {whose}"
                raise TargetError(msg, hint="take that service down, or name other hosts")
            if site.tls.https_port == other["http_port"] or site.tls.http_port == other["https_port"]:
                msg = f"http-port and https-port are the other way round for {whose}"
                raise TargetError(msg, hint="give both services the same ports")
            if any(
                ports.is_in_the_way(one, (address, port)) for one in site.listen for address, port in other["listen"]
            ):
                msg = f"one port cannot be that of a single address and of all of them, as for {whose}"
                raise TargetError(msg, hint="give both services the same address, or none")

    def register(self, site: Site, closure: HostClosure) -> None:
        """Serve a site, with the front's programs from a release where none newer ones run.

        Args:
            site: The site.
            closure: Release of the site.

        Raises:
            DeployError: nginx does not start.
            ConfigError: As for `check`.
            TargetError: As for `check`.
        """
        with self._locked():
            self.check(site, closure)
            programs = self._choose(closure)
            if site.tls.acme and site.tls.acme.ca:
                self.folder.write_text(self._authority(site.key), files.read(site.tls.acme.ca), mode=0o644)
            # Its own release, for the ACME client.
            self.servers.add_root(site.key, closure.path)
            own = replace(programs, closure=closure)
            version = programs.closure.versions["nginx"]
            self.folder.write(self._file(site.key), site.describe(own, version))
            self._start(programs)

    def withdraw(self, folder: Path) -> None:
        """Stop serving the site of a target, and with the last one everything; certificates and accounts are kept.

        Args:
            folder: State folder of the target.
        """
        key = key_of(folder)
        if not self._file(key).exists():
            return
        with self._locked():
            is_last = not self._sites().keys() - {key}
            # First, so that whoever runs the command again because something does not end comes here again.
            if is_last:
                self._stop()
            for path in (self._file(key), self.folder.path / "roots" / key, self._authority(key)):
                path.unlink(missing_ok=True)
            if not is_last:
                self.runit.signal(KEEPER, "h")

    def state(self, key: str) -> dict[str, Any]:
        """Return what is known of a site's certificate: `problem` and `next`, the time of the next try."""
        return self.folder.read_state(self.folder.path / f"certificates/{key}.json")

    def installed(self, key: str) -> Path:
        """Return the path of a site's certificate and key, as nginx reads them."""
        return self.folder.path / f"serve/certificates/{key}.pem"

    def digest(self, key: str) -> str:
        """Return the digest of what a site was registered with, or an empty string."""
        return str(self._sites().get(key, {}).get("digest", ""))

    def order(self, key: str) -> str:
        """Return what another certificate would be necessary for if it changed, or an empty string without ACME."""
        return str(self._sites().get(key, {}).get("acme", {}).get("order", ""))

    @property
    def is_running(self) -> bool:
        """Whether all programs of the front run, and something restarts those that end."""
        return self.runit.is_running and all(self.runit.is_up(name) for name in _NAMES)

    @contextlib.contextmanager
    def _locked(self) -> Any:  # noqa: ANN401 - a context manager
        # First, since it refuses a folder of another user, who could put links in it that root follows.
        self.folder.prepare({})
        with files.lock(self.folder.path / "lock", wait=True):
            for name in ("sites", "certificates", "tasks/acme", "serve/sites"):
                self.folder.open_up(self.folder.path / name)
            self.folder.prepare(OWNERS)
            # nginx looks for the files in it.
            (self.folder.path / "serve/sites").chmod(0o755)
            yield

    def _file(self, key: str) -> Path:
        return self.folder.path / f"sites/{key}.json"

    def _authority(self, key: str) -> Path:
        return self.folder.path / f"settings/{key}.pem"

    def _sites(self) -> dict[str, dict[str, Any]]:
        """Return the registered sites by key, but for those whose state folder is gone."""
        found = {path.stem: self.folder.read_state(path) for path in sorted(self.folder.path.glob("sites/*.json"))}
        return {key: site for key, site in found.items() if site and Path(site["folder"]).exists()}

    def _held(self) -> set[tuple[str, int]]:
        """Return the pairs of address and port that the listener holds."""
        if not self.runit.is_up(LISTENER):
            return set()
        return {(address, port) for address, port in self.runit.running(LISTENER).get("listen", ())}

    def _choose(self, closure: HostClosure) -> FrontPrograms:
        """Return the programs of a release, or of the one whose nginx the front runs if that is newer."""
        known = self.folder.read_state(self.folder.path / _STATE).get("closure")
        chosen = closure
        with contextlib.suppress(DeployError):
            if known and _order(other := closures.load(Path(known))) > _order(closure):
                chosen = other
        return FrontPrograms(folder=self.folder, closure=chosen, env={}, memory={})

    def _start(self, programs: FrontPrograms) -> None:
        """Start what does not run, replace what differs, and have the rest read its files again."""
        closure, runit, servers = programs.closure, self.runit, self.servers
        listen = sorted({(address, port) for site in self._sites().values() for address, port in site["listen"]})
        programs = replace(programs, listen=tuple(listen))
        self._remove_stale()
        text = self._render(self._sites().values())
        wanted = {
            "closure": str(closure.path),
            "listen": text,
            "settings": str(Digest.of_file(closure.front_settings)),
        }
        known = self.folder.read_state(self.folder.path / _STATE)
        self._configure(closure, text)
        self._supervise(closure)
        changed = servers.changed(programs, PROXY)
        servers.install("nginx", programs)
        if not servers.is_listening(programs):
            runit.end("nginx")
            runit.end(LISTENER)
            servers.install(LISTENER, programs)
            servers.start_listening(programs)
        if not runit.is_up("nginx"):
            servers.up("nginx", programs)
        elif changed:
            servers.replace_proxy(programs, self._is_answered)
        elif {**known, "closure": wanted["closure"]} != wanted:
            # Not for each release: a minute later that ends the WebSockets of all services.
            runit.signal("nginx", "h")
        runit.wait_ready("nginx", self._is_answered, lifecycle.LIMIT)
        self.folder.write(self.folder.path / _STATE, wanted)
        # Last, since a signal to read its files again would end an nginx that only begins.
        self._start_keeper(programs)

    def _configure(self, closure: HostClosure, listen: str) -> None:
        """Write what nginx reads besides the files of the sites."""
        # A copy: the release may be collected while its nginx, which is that of another one, runs.
        for name, text in (("nginx.conf", files.read(closure.front_settings)), ("listen.conf", listen)):
            self.folder.write_text(self.folder.path / "serve" / name, text, mode=0o644)

    def _supervise(self, closure: HostClosure) -> None:
        if not self.runit.is_supervised(LISTENER):
            self.servers.add_root("supervisor", closure.runit)
        self.runit.install_all(starter=starter.find(self.folder, closure))
        self.runit.start(closure.runit)

    def _start_keeper(self, programs: FrontPrograms) -> None:
        """Start what keeps the certificates, anew if it is another version of it."""
        runit, directory = self.runit, self.runit.services / KEEPER
        started = self.folder.read_text(directory / "starter")
        wanted = str(starter.find(self.folder, programs.closure))
        if started != wanted or not runit.is_up(KEEPER):
            runit.end(KEEPER)
            self.servers.add_root(KEEPER, programs.closure.path)
            runit.install(KEEPER, programs.keeper(directory), starter=Path(wanted))
            self.folder.write_text(directory / "starter", wanted)
            runit.up(KEEPER)
        else:
            runit.signal(KEEPER, "h")

    def _stop(self) -> None:
        for name in reversed(_NAMES):
            self.runit.end(name)
        self.runit.stop(GRACE)
        for path in (*self.installed("x").parent.iterdir(), *self.folder.path.glob("serve/sites/*.conf")):
            path.unlink()

    def _remove_stale(self) -> None:
        for path in self.folder.path.glob("sites/*.json"):
            if path.stem not in self._sites():
                path.unlink()

    def _render(self, sites: Iterable[dict[str, Any]]) -> str:
        """Return nginx's servers for names that no site has."""
        lines = []
        plain = {(address, port) for site in sites for address, port in site["listen"] if port == site["http_port"]}
        both = {(address, port) for site in sites for address, port in site["listen"]}
        secret = self.folder.secret(_SECRET)
        for address, port in sorted(both):
            where = f"listen {quote(address)}:{port}"
            if (address, port) in plain:
                own = f'location = /.estiba {{ access_log off; return 200 "{secret}"; }} location / {{ return 404; }}'
                lines.append(f"server {{ {where} default_server; {own} }}\n")
            else:
                lines.append(f"server {{ {where} ssl default_server; ssl_reject_handshake on; }}\n")
        return "".join(lines)

    def _is_answered(self) -> bool:
        site = next(iter(self._sites().values()))
        address, port = site["address"], site["http_port"]
        endpoint = Endpoint(host=_FOLDER, address=address, port=port, timeout=_PROBE_LIMIT)
        with contextlib.suppress(OSError, http.client.HTTPException):
            return endpoint.ask("/.estiba").body.decode(errors="replace") == self.folder.secret(_SECRET)
        return False


def _order(closure: HostClosure) -> list[int]:
    """Return the version of a release's nginx as numbers, which tell the newer one."""
    return [int(one) for one in _NUMBER.findall(closure.versions["nginx"])]

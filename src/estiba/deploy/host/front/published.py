"""A target's site at the front: registered and waited for by a deployment, looked at by `status`."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.front import certificate
from estiba.deploy.host.front.site import Site, key_of
from estiba.deploy.host.servers import ports
from estiba.deploy.host.supervise.runit import until
from estiba.endpoint import Endpoint
from estiba.errors import TargetError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.front.front import Front
    from estiba.deploy.host.front.tls import Tls
    from estiba.deploy.host.settings import Settings

SOON: Final = 14
"""Days before the end of a certificate from which on `status` warns."""

_LIMIT: Final = 300.0
"""Seconds that a certificate may take to be issued."""

_TIMEOUT: Final = 5.0
_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - the front is for everybody
_EVERYWHERE_6: Final = "::"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How visitors see a site.

    Attributes:
        is_served: Whether all hosts have a valid certificate.
        end: End of the first certificate that expires, or None.
        notes: What an operator has to know.
    """

    is_served: bool = True
    end: datetime | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form: `certificate` with `days`, which are left, and `until`."""
        return {"certificate": {"days": left(self.end), "until": self.end.isoformat()}} if self.end else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Site of a target at the front, if the target has TLS.

    Attributes:
        front: Front of the user.
        settings: Settings of the target.
        port: Returns the TCP port of the target's own nginx.
        secret: Returns what that answers at `/.estiba`.
    """

    front: Front
    settings: Settings
    port: Callable[[], int]
    secret: Callable[[], str]

    def check(self, closure: HostClosure) -> None:
        """Check that the site of a release can be registered, see `Front.check`."""
        if self.settings.tls:
            # Whatever port the target's own nginx gets, which is not chosen here.
            self.front.check(self._site(0), closure)

    def publish(self, closure: HostClosure, on_status: Callable[[str], None]) -> None:
        """Register the site, and wait until all its hosts have a certificate and lead to the target.

        A target without TLS is withdrawn.

        Args:
            closure: Release that is served.
            on_status: Callback for progress.

        Raises:
            ConfigError: The certificate is not valid for all hosts.
            TargetError: It cannot be had, or the front does not lead to the target.
        """
        if self.settings.tls is None:
            self.withdraw()
            return
        began = time.time()
        self.front.register(replace(self._site(self.port()), service=closure.service), closure)
        on_status("waiting for the front of this machine" + (", and a certificate" if self.settings.tls.acme else ""))
        problem = ""
        for _ in until(_LIMIT):
            if not (problem := self._find_problem()):
                return
            self._raise_refusal(began)
        raise TargetError(self._explain(problem), hint="invoke status; the front goes on trying")

    def restore(self, closure: HostClosure, on_status: Callable[[str], None]) -> None:
        """Publish the release that was rolled back to where visitors would not get there, as after `invoke down`.

        Arguments and errors are those of `publish`.
        """
        is_there = bool(self.front.digest(self._key)) and self.front.is_running
        if self.settings.tls and closure.has_front and not is_there:
            self.publish(closure, on_status)

    def origin(self, endpoint: Endpoint) -> str:
        """Return scheme, host and port of the service's pages, given the endpoint of the target's own nginx."""
        return self._tls.origin(self._tls.hosts[0]) if self.settings.tls else f"http://{endpoint.host}"

    def withdraw(self) -> None:
        """Stop serving the site, see `Front.withdraw`."""
        self.front.withdraw(self.settings.folder)

    def look(self) -> View:
        """Return how visitors see the site now."""
        if self.settings.tls is None:
            return View()
        end, problem = self._certificate()
        state = self.front.state(self._key)
        notes = [problem] if problem else []
        if not self.front.is_running:
            notes.append("the front of this machine, which ends TLS, does not run as a whole; invoke deploy starts it")
        if end and left(end) < SOON:
            how = "it is renewed by itself" if self.settings.tls.acme else "renew its files, which are read every hour"
            notes.append(f"the certificate ends in {left(end)} days, at {end:%Y-%m-%d %H:%M} UTC; {how}")
        if said := state.get("problem"):
            notes.append(self._tell(said, state))
        return View(is_served=not problem, end=end, notes=tuple(notes))

    @property
    def _key(self) -> str:
        return key_of(self.settings.folder)

    @property
    def _tls(self) -> Tls:
        assert self.settings.tls
        return self.settings.tls

    def _site(self, port: int) -> Site:
        everywhere = (_EVERYWHERE, *((_EVERYWHERE_6,) if ports.has_ipv6() else ()))
        return Site(
            service="",
            folder=self.settings.folder,
            port=port,
            request_limit=self.settings.request_limit,
            addresses=(self._tls.address,) if self._tls.address else everywhere,
            tls=self._tls,
        )

    def _certificate(self) -> tuple[datetime | None, str]:
        """Return until when the certificates that visitors get are valid, and what is wrong with them, or ""."""
        if not self.front.installed(self._key).exists():
            return None, "there is no certificate, so that nothing is served by HTTPS"
        ends, problems = [], []
        for host in self._tls.hosts:
            try:
                ends.append(self._greet(host))
            except OSError as error:
                problems.append(f"{self._tls.origin(host)} {certificate.explain(error)}")
        return min(ends, default=None), "; ".join(problems)

    def _raise_refusal(self, began: float) -> None:
        """Raise if the authority, or the front, has refused since a time.

        Raises:
            TargetError: It has.
        """
        state = self.front.state(self._key)
        said = state.get("problem")
        if said and state.get("at", 0.0) >= began and state.get("order", "") == self.front.order(self._key):
            msg = self._explain(self._tell(said, state))
            raise TargetError(msg, hint="mend the cause and deploy again; the front tries again by itself too")

    def _explain(self, problem: str) -> str:
        how = "not by HTTPS" if self._find_fault() else "with the certificate of before"
        return f"the release is served, but {how}: {problem}"

    def _tell(self, said: str, state: Mapping[str, Any]) -> str:
        if self._tls.acme is None:
            return said
        following = datetime.fromtimestamp(state.get("next", 0), tz=UTC)
        return f"no certificate was issued; the next try is at {following:%Y-%m-%d %H:%M} UTC:\n{said}"

    def _find_problem(self) -> str:
        """Return why visitors do not get what they should, or an empty string."""
        host, port = self._tls.hosts[0], self._tls.http_port
        plain = Endpoint(host=host, address=self._address, port=port, timeout=_TIMEOUT)
        try:
            answer = plain.ask("/.estiba").body.decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return f"port {port} does not answer: {error}"
        if answer != f"{self._key} ready {self.front.digest(self._key)}":
            return "there is no certificate yet"
        # Of an authority's staging one, for example, the certificate of before may be as good but for its issuer.
        if self._tls.acme and self.front.state(self._key).get("issued") != self.front.order(self._key):
            return "no other certificate was issued yet"
        return self._find_fault()

    def _find_fault(self) -> str:
        """Return why visitors do not get to the target by HTTPS, or an empty string."""
        return self._certificate()[1] or self._ask(self._tls.hosts[0])

    def _ask(self, host: str) -> str:
        """Return why the front does not lead to the target, or an empty string."""
        with contextlib.closing(http.client.HTTPConnection(host, timeout=_TIMEOUT)) as connection:
            try:
                connection.sock = self._connect(host)
                connection.request("GET", "/.estiba")
                body = connection.getresponse().read().decode(errors="replace")
            except (OSError, http.client.HTTPException) as error:
                return f"{self._tls.origin(host)} does not answer: {error}"
        return "" if body == self.secret() else f"{self._tls.origin(host)} leads to another service"

    @property
    def _address(self) -> str:
        return ports.reachable(self._tls.address or _EVERYWHERE)

    def _greet(self, host: str) -> datetime:
        with self._connect(host) as connection:
            return certificate.read_end(connection.getpeercert() or {})

    def _connect(self, host: str) -> ssl.SSLSocket:
        """Connect as a visitor of a host, who trusts the issuer of the installed certificate.

        Raises:
            OSError: The certificate is not valid, or there is no answer.
        """
        context = certificate.trusting(self.front.installed(self._key))
        plain = socket.create_connection((self._address, self._tls.https_port), _TIMEOUT)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise


def left(end: datetime) -> int:
    """Return the days until a time."""
    return (end - datetime.now(tz=UTC)).days

"""Program descriptions of the front: its nginx, what keeps the certificates, and the ACME client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.state import users
from estiba.deploy.host.supervise.program import OF_THE_MACHINE, SERVE, Programs
from estiba.digest import Digest
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.front.tls import Acme
    from estiba.deploy.host.state.folder import Owners

CERTIFICATES: Final = f"{SERVE}/certificates"
CHALLENGES: Final = f"{SERVE}/challenges"

OWNERS: Final[Owners] = {
    "data/acme": (users.ACME, None),
    "serve/certificates": (None, users.NGINX),
    "serve/challenges": (users.ACME, users.NGINX),
    "tasks/acme/tmp": (users.ACME, None),
}
"""Folders of the front's programs. Only the deploying user writes where certificates and keys are installed."""

_CLIENT: Final = "/usr/bin/lego"
_DATA: Final = "/srv/acme"
_CA: Final = "/srv/ca.pem"
_UMASK: Final = 0o027


def check_release(closure: HostClosure, *, has_acme: bool) -> None:
    """Check that a release has the programs of a front.

    Args:
        closure: Release of a site.
        has_acme: Whether its certificate is issued by ACME.

    Raises:
        TargetError: It has not.
    """
    if not closure.has_front:
        msg = f"{closure.version} ({closure.digest}) was built by an earlier Estiba, which had no TLS"
        raise TargetError(msg, hint="invoke deploy builds a release that has")
    if has_acme and not Path(f"{closure.servers.tree}{_CLIENT}").exists():
        msg = f"{closure.version} ({closure.digest}) was built without an ACME client"
        raise TargetError(msg, hint="invoke lock, then deploy again")


class FrontPrograms(Programs):
    """Factory of the front's program descriptions, from a release's servers; `folder` is the front's."""

    __slots__ = ()

    def nginx(self, directory: Path) -> dict[str, Any]:
        """Return the description of nginx."""
        return self.proxy(directory, {SERVE: "serve"})

    def keeper(self, directory: Path) -> dict[str, Any]:
        """Return the description of what keeps the certificates, see nix/build/builders/release/certificates.py."""
        group = self.folder.user(users.NGINX)
        front = os.path.relpath(self.folder.path, directory)
        return {"argv": [], "env": {}, "front": front, **({} if group is None else {"group": group})}

    def acme(self, key: str, acme: Acme, hosts: Sequence[str]) -> dict[str, Any]:
        """Return what the front has to know to get a certificate: `program`, its output's paths, and `order`.

        `order` changes with all that makes another certificate necessary.

        Args:
            key: Key of the site.
            acme: Settings of the client.
            hosts: Names of hosts.
        """
        settings = [*(("--server", acme.directory) if acme.directory else ()), "--email", acme.email]
        names = [word for host in hosts for word in ("-d", host)]
        places = ["--path", _DATA, "--http", "--http.webroot", CHALLENGES]
        # `run` gets a new certificate with a new key also where there is one, with the account that is kept.
        argv = [_CLIENT, "--accept-tos", *settings, *places, *names, "run"]
        files = {file: file for file in OF_THE_MACHINE if Path(file).is_file()}
        binds: Mapping[str, str] = {_DATA: "data/acme", CHALLENGES: "serve/challenges", **files}
        if acme.ca:
            binds = {**binds, _CA: f"settings/{key}.pem"}
        directory = self.folder.path / "tasks/acme"
        made = self.describe(directory, argv, self.closure.servers, binds, user=users.ACME)
        env = {**made["env"], "HOME": "/tmp", **({"LEGO_CA_CERTIFICATES": _CA} if acme.ca else {})}  # noqa: S108 - its own
        stem = f"certificates/{hosts[0]}"
        order = Digest.of_bytes(repr((acme.directory, tuple(hosts))).encode()).hex
        program = {**made, "env": env, "umask": _UMASK}
        return {"program": program, "chain": f"{stem}.crt", "key": f"{stem}.key", "order": order}

"""Request for Debian packages: what Estiba adds to those of a service, for each group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from estiba.service.postgresql import PostgreSQL

_BASE: Final = ("base-files", "ca-certificates", "libc-bin", "libstdc++6", "netbase", "tzdata")
"""Packages of every image; manylinux wheels may rely on the C++ runtime (PEP 513), and libc-bin has C.UTF-8."""
ESSENTIAL: Final = "?and(?essential,?not(?exact-name(apt)))"
"""Debian's Essential packages, on which others count without a dependency, as an apt pattern (apt-patterns(7)).

apt counts itself, too, although no package may rely on it.
"""
_TOOLCHAIN: Final = (ESSENTIAL, "build-essential", "pkgconf")
"""Packages to build sdists with."""
_FRONTEND: Final = (ESSENTIAL, "ca-certificates", "nodejs", "npm")
"""Packages to install npm packages with, and to run their scripts."""

_SERVERS: Final = {
    "bookworm": ("nginx", "postgresql-15", "redis-server"),
    "trixie": ("nginx", "postgresql-17", "redis-server"),
}
_OTHER_SERVERS: Final = ("nginx", "postgresql", "redis-server")
"""Servers of other releases, where `postgresql` depends on the package of the release's version."""
_ACME: Final = ("lego",)
"""ACME client of targets whose certificates are issued by ACME."""
_SERVER_NEEDS: Final = ("dash",)
"""Essential packages that servers need: initdb runs its programs in a shell, and no package depends on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Request to resolve packages.

    Attributes:
        python: Python minor version.
        suite: Debian release.
        platforms: Nix system names.
        service: Packages that the service needs at run time.
        postgresql: PostgreSQL of the group `check`.
        build: Packages that its sdists and its `prepare` commands need at build time, beside the toolchain.
        has_acme: Whether a target has its certificates issued by ACME.
    """

    python: str
    suite: str
    platforms: tuple[str, ...]
    service: tuple[str, ...]
    build: tuple[str, ...] = ()
    postgresql: PostgreSQL = field(default_factory=PostgreSQL)
    has_acme: bool = False

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of the packages to install for a group; every group but `frontend` includes `base`."""
        base = (*_BASE, f"python{self.python}")
        match group:
            case "service":
                return (*base, *self.service)
            case "build":
                return (*base, *self.service, *_TOOLCHAIN, f"python{self.python}-dev", *self.build)
            case "prepare":
                return (*base, *self.service, ESSENTIAL, *self.build)
            case "frontend":
                return _FRONTEND
            case "check":
                return (*base, *_SERVER_NEEDS, *self._list_servers())
            case _:
                return base

    def _list_servers(self) -> tuple[str, ...]:
        version = self.postgresql.version
        usual = _SERVERS.get(self.suite, _OTHER_SERVERS)
        chosen = (f"postgresql-{version}" if version and name.startswith("postgresql") else name for name in usual)
        return (*chosen, *self.postgresql.packages, *(_ACME if self.has_acme else ()))

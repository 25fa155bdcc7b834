"""A release for one machine, as its build describes it in `host.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANIFEST: Final = "host.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The root file system of some programs: an unpacked tree, what is bound over it, and links."""

    tree: str
    binds: Mapping[str, str]
    links: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClosure:
    """What a deployment needs to know of a release.

    Attributes:
        path: Its store path.
        digest: Of its description, which names everything in it by a path that follows from its inputs.
        service: The service's name.
        version: Its version.
        revision: The commit, or an empty string.
        lock: Digest of the lock.
        app: The root of the service's own programs.
        env: Their environment, as in the image.
        cwd: Their working directory.
        entrypoint: What starts them, as in the image.
        media: Where the service keeps uploads.
        static: Address and folder of the static files, or None.
        processes: Commands of the entry point that run all the time.
        probes: Management commands that prove that it works.
        servers: The root of nginx, PostgreSQL and Redis.
        versions: Of those three, by name.
        digests: Of what each of those runs from, by name; without them it is the whole root.
        postgresql: PostgreSQL's major version.
        runit: Store path of the supervisor.
    """

    path: Path
    digest: Digest
    service: str
    version: str
    revision: str
    lock: str
    app: Files
    env: Mapping[str, str]
    cwd: str
    entrypoint: tuple[str, ...]
    media: str
    static: tuple[str, str] | None
    processes: tuple[str, ...]
    probes: tuple[str, ...]
    servers: Files
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    postgresql: str
    runit: Path

    @property
    def starter(self) -> Path:
        """The program that starts a program in its root."""
        return self.path / "bin" / "start"

    @property
    def proxy_settings(self) -> Path:
        """The configuration of nginx."""
        return self.path / "nginx.conf"


def load(path: Path) -> HostClosure:
    """Read a release.

    Raises:
        DeployError: It is of another format.
    """
    content = (path / _MANIFEST).read_bytes()
    data: dict[str, Any] = json.loads(content)
    if data.get("format") != _FORMAT:
        msg = f"{path} has format {data.get('format')!r}, this Estiba reads {_FORMAT}"
        raise DeployError(msg, hint="deploy with the Estiba that built it, or deploy again")
    app, servers, static = data["app"], data["servers"], data["static"]
    return HostClosure(
        path=path,
        digest=Digest.of_bytes(content),
        app=Files(tree=app["tree"], binds=app["binds"], links=app["links"]),
        env=app["env"],
        cwd=app["cwd"],
        entrypoint=tuple(app["entrypoint"]),
        static=(static["url"], static["files"]) if static else None,
        processes=tuple(data["processes"]),
        probes=tuple(data["probes"]),
        servers=Files(tree=servers["tree"], binds={}, links={}),
        versions=servers["versions"],
        digests=servers.get("digests", {}),
        postgresql=servers["postgresql"],
        runit=Path(data["supervisor"]),
        **{key: data[key] for key in ("service", "version", "revision", "lock", "media")},
    )

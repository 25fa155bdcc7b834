"""Host closure: the store path of a release for one machine, described by its `host.json` (nix/build/host.nix)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import DeployError
from estiba.service import processes
from estiba.service.processes import Process

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANIFEST: Final = "host.json"
_FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Root file system of some programs.

    Attributes:
        tree: Store path of the unpacked tree.
        binds: Store paths to bind-mount over it, by mount point.
        links: Targets of symbolic links to create in it, by path.
        seeds: Store paths of files that a folder of data begins with, by mount point.
    """

    tree: str
    binds: Mapping[str, str]
    links: Mapping[str, str]
    seeds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClosure:
    """Description of a release for one machine.

    Attributes:
        path: Store path of the closure.
        digest: Digest of `host.json`. It identifies the content, since all store paths in it follow from their inputs.
        service: Name of the service.
        version: Version of the service.
        revision: Commit that was built, or an empty string.
        lock: Digest of the lock.
        app: Root file system of the service's programs.
        env: Environment variables of the image.
        cwd: Working directory of the service's programs.
        entrypoint: Entry point of the image, the start of each command line.
        media: Mount point of the uploads.
        persist: Mount points of further data.
        application: Folder of the service's own files, which are some of those in `app`; empty for earlier releases.
        collected: Folder with the collected static files at their place, as `application`; empty for none.
        static: URL path and folder of the static files, or None.
        processes: Supervised processes, `web` first.
        probes: Management commands that the smoke tests run.
        uploads: Whether static files are kept on another machine, which a release brings them to.
        servers: Root file system of nginx, PostgreSQL and Redis.
        versions: Versions of the servers, by name.
        digests: Digests of the packages that each server needs, by name; where missing, the whole root counts.
        postgresql: Major version of PostgreSQL.
        settings: Settings of PostgreSQL that its extensions need.
        runit: Store path of the supervisor.
        has_listener: Whether its starter can hold sockets for nginx; without it nginx binds them itself.
        has_users: Whether its starter switches users; root runs programs by no other one.
        has_front: Whether it has what a front needs, see `estiba.deploy.host.front`.
        has_published: Whether its nginx can send what is published; without it the service does.
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
    processes: tuple[Process, ...]
    probes: tuple[str, ...]
    servers: Files
    versions: Mapping[str, str]
    digests: Mapping[str, str]
    postgresql: str
    runit: Path
    has_listener: bool = True
    has_users: bool = True
    has_front: bool = True
    has_published: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)
    persist: tuple[str, ...] = ()
    application: str = ""
    collected: str = ""
    uploads: bool = False

    @property
    def data(self) -> Mapping[str, str]:
        """Folders of data in the state folder, by mount point."""
        return {self.media: "data/media", **{place: f"data/folders{place}" for place in self.persist}}

    @property
    def own(self) -> tuple[str, ...]:
        """Folders of files that are not a distribution's: the service's own, and those that were collected."""
        return tuple(filter(None, (self.application, self.collected)))

    def services(self, slot: str) -> dict[str, Process]:
        """Return the processes by the names of their supervised services, one for each instance.

        Args:
            slot: `a` or `b`, see `Revision.slot`.
        """
        return {
            f"{process.name}{f'.{number}' if number > 1 else ''}-{slot}": process
            for process in self.processes
            for number in range(1, process.instances + 1)
        }

    @property
    def starter(self) -> Path:
        """Program that executes another one in its root file system; see nix/build/builders/release/start.py."""
        return self.path / "bin" / "start"

    @property
    def proxy_settings(self) -> Path:
        """Configuration file of nginx."""
        return self.path / "nginx.conf"

    @property
    def front_settings(self) -> Path:
        """Configuration file of nginx in front of all services."""
        return self.path / "front.conf"


def load(path: Path) -> HostClosure:
    """Load the host closure at a store path.

    Raises:
        DeployError: Its `host.json` is missing, damaged, or of another format version.
    """
    try:
        content = (path / _MANIFEST).read_bytes()
        return _parse(path, content, json.loads(content))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path / _MANIFEST} is damaged: {type(error).__name__}: {error}"
        raise DeployError(msg, hint=f"nix-store --repair-path {path}") from error


def _parse(path: Path, content: bytes, data: dict[str, Any]) -> HostClosure:
    if data.get("format") != _FORMAT:
        msg = f"{path} has format {data.get('format')!r}, this Estiba reads {_FORMAT}"
        raise DeployError(msg, hint="deploy with the Estiba that built it, or deploy again")
    app, servers, static = data["app"], data["servers"], data["static"]
    return HostClosure(
        path=path,
        digest=Digest.of_bytes(content),
        app=Files(tree=app["tree"], binds=app["binds"], links=app["links"], seeds=app.get("seeds", {})),
        env=app["env"],
        cwd=app["cwd"],
        entrypoint=tuple(app["entrypoint"]),
        static=(static["url"], static["files"]) if static else None,
        processes=_parse_processes(data["processes"], data.get("table", {})),
        probes=tuple(data["probes"]),
        servers=Files(tree=servers["tree"], binds={}, links={}),
        versions=servers["versions"],
        digests=servers.get("digests", {}),
        postgresql=servers["postgresql"],
        settings=servers.get("settings", {}),
        runit=Path(data["supervisor"]),
        has_listener=data.get("listener", False),
        persist=tuple(data.get("persist", ())),
        has_users=data.get("users", False),
        application=data.get("application", ""),
        collected=data.get("collected", ""),
        has_front=data.get("front", False),
        has_published=data.get("published", False),
        uploads=data.get("uploads", False),
        **{key: data[key] for key in ("service", "version", "revision", "lock", "media")},
    )


def _parse_processes(names: list[str], table: dict[str, Any]) -> tuple[Process, ...]:
    known = {one.name: one for one in processes.parse(table)}
    return tuple(known.get(name, Process(name=name)) for name in names)

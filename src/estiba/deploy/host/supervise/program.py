"""What every process of a target runs: command, environment and root file system, as the starter reads them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.environment import REDIS_ADDRESS
from estiba.service import variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.host.closure import Files, HostClosure
    from estiba.deploy.host.state.folder import StateFolder

POSTGRESQL_DATA: Final = "/srv/postgresql"
REDIS_SETTINGS: Final = "redis.conf"
WEB_SOCKET: Final = "web.sock"
LISTENER: Final = "listener"
"""Name of the service that holds the sockets of nginx."""

_BIN: Final = "/usr/lib/postgresql/{}/bin"
_REDIS_DATA: Final = "/srv/redis"
_RUN: Final = "/run/estiba"
_SERVE: Final = "/srv/estiba"
_SERVER_ENV: Final = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
_OF_THE_MACHINE: Final = ("/etc/hosts", "/etc/resolv.conf")
_SETTINGS: Final = {
    # A migration whose client was killed must not go on alone.
    "client_connection_check_interval": "1s",
    "jit": "off",
    "listen_addresses": "",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "unix_socket_directories": variables.POSTGRESQL_FOLDER,
    "unix_socket_permissions": "0700",
}


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether two descriptions of a server are of the same one, whatever else is in the root that it runs from."""
    return {**one, "tree": ""} == {**other, "tree": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Describes programs of one release on one target.

    Attributes:
        folder: The target's folder.
        closure: Whose files they run from.
        env: The environment of the service's own programs.
        memory: PostgreSQL's memory settings.
        redis_port: On which port Redis listens beside its socket; 0 for none.
        listen: Addresses and ports that nginx listens on.
    """

    folder: StateFolder
    closure: HostClosure
    env: Mapping[str, str]
    memory: Mapping[str, str]
    redis_port: int = 0
    listen: tuple[tuple[str, int], ...] = ()

    def postgresql(self, place: Path) -> dict[str, Any]:
        """Return the database server, to be started in the folder `place`."""
        settings = {**_SETTINGS, **self.memory}
        options = [word for name, value in sorted(settings.items()) for word in ("-c", f"{name}={value}")]
        argv = [f"{self.bin}/postgres", "-D", POSTGRESQL_DATA, *options]
        return self._server(place, argv, self.database_binds, name="postgresql")

    def redis(self, place: Path) -> dict[str, Any]:
        """Return Redis, which keeps its jobs over a restart; its password is in a file, for everybody sees commands."""
        settings = [f"{variables.REDIS_FOLDER}/{REDIS_SETTINGS}"] if self.redis_port else []
        options = {
            "appendonly": "yes",
            "bind": REDIS_ADDRESS,
            "dir": _REDIS_DATA,
            "port": str(self.redis_port),
            "save": "",
            "unixsocket": variables.REDIS_SOCKET,
            "unixsocketperm": "700",
        }
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        binds = {_REDIS_DATA: "data/redis", variables.REDIS_FOLDER: "run/redis"}
        return self._server(place, ["/usr/bin/redis-server", *settings, *words], binds, name="redis")

    def nginx(self, place: Path) -> dict[str, Any]:
        """Return the web server in front."""
        argv = ["/usr/sbin/nginx", "-e", "stderr", "-p", "/tmp", "-c", f"{_SERVE}/nginx.conf"]  # noqa: S108 - its own
        made = self._server(place, argv, {_SERVE: "serve", "/srv/media": "data/media"}, name="nginx")
        # The variable by which nginx gives its sockets to its own successors.
        return {**made, "sockets": "NGINX", "holder": os.path.relpath(place.with_name(LISTENER), place)}

    def listener(self) -> dict[str, Any]:
        """Return what holds the sockets that nginx listens on, while one nginx is changed for another one."""
        return {"argv": [], "env": {}, "listen": [list(one) for one in self.listen]}

    def service(self, place: Path, words: Sequence[str], *, run: Path | None = None) -> dict[str, Any]:
        """Return a command of the entry point; `run` is the folder for its socket."""
        binds = {
            self.closure.media: "data/media",
            variables.POSTGRESQL_FOLDER: "run/postgresql",
            variables.REDIS_FOLDER: "run/redis",
            **({_RUN: str(run.relative_to(self.folder.path))} if run else {}),
        }
        more = {f"/run/host/{Path(file).name}": file for file in _OF_THE_MACHINE if Path(file).is_file()}
        argv = [*self.closure.entrypoint, *words]
        made = self._describe(place, argv, self.closure.app, {**binds, **more, "/sys": "/sys"})
        return {**made, "env": dict(self.env), "cwd": self.closure.cwd}

    def web(self, place: Path, run: Path) -> dict[str, Any]:
        """Return gunicorn on a socket in the folder `run`."""
        return self.service(place, ["web", "--bind", f"unix:{_RUN}/{WEB_SOCKET}"], run=run)

    def tool(self, place: Path, argv: Sequence[str], data: str) -> dict[str, Any]:
        """Return a program of the database server, working on the data in the folder `data` of the target's."""
        return self._describe(place, argv, self.closure.servers, {POSTGRESQL_DATA: data})

    def client(self, place: Path, argv: Sequence[str]) -> dict[str, Any]:
        """Return a program that speaks with the database server."""
        binds = {variables.POSTGRESQL_FOLDER: "run/postgresql"}
        return self._describe(place, [f"{self.bin}/{argv[0]}", *argv[1:]], self.closure.servers, binds)

    @property
    def bin(self) -> str:
        """The folder of the database server's programs."""
        return _BIN.format(self.closure.postgresql)

    @property
    def database_binds(self) -> dict[str, str]:
        """Where the database server finds its data and makes its socket."""
        return {POSTGRESQL_DATA: "data/postgresql", variables.POSTGRESQL_FOLDER: "run/postgresql"}

    def _server(self, place: Path, argv: Sequence[str], binds: Mapping[str, str], *, name: str) -> dict[str, Any]:
        files = self.closure.servers
        # The root has other packages too, and changes with each of them.
        return {**self._describe(place, argv, files, binds), "digest": self.closure.digests.get(name, files.tree)}

    def _describe(self, place: Path, argv: Sequence[str], files: Files, binds: Mapping[str, str]) -> dict[str, Any]:
        scratch = {"/tmp": f"{place}/tmp", "/var/tmp": f"{place}/tmp"}  # noqa: S108 - its own
        own = {where: os.path.relpath(self.folder.path / what, place) for where, what in {**scratch, **binds}.items()}
        absolute = {where: what for where, what in binds.items() if what.startswith("/")}
        return {
            "argv": list(argv),
            "binds": {**files.binds, **own, **absolute},
            "cwd": "/",
            "env": _SERVER_ENV,
            "links": dict(files.links),
            "tree": files.tree,
        }

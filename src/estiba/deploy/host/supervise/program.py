"""Program descriptions, as `program.json` holds them for the starter: argv, environment, root file system.

The format is that of `nix/build/builders/release/start.py`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.environment import REDIS_ADDRESS
from estiba.deploy.host.servers import proxy
from estiba.deploy.host.state import copies, users
from estiba.service import variables
from estiba.service.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from estiba.deploy.host.closure import Files, HostClosure
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.service.processes import Process

POSTGRESQL_DATA: Final = "/srv/postgresql"
REDIS_SETTINGS: Final = "redis.conf"
HBA: Final = "pg_hba.conf"
WEB_SOCKET: Final = "web.sock"
LISTENER: Final = "listener"
"""Name of the service that holds the listening sockets of nginx."""

_RESERVE: Final = 5.0
_BIN: Final = "/usr/lib/postgresql/{}/bin"
_REDIS_DATA: Final = "/srv/redis"
_POSTGRESQL_SETTINGS: Final = "/srv/settings/postgresql"
_REDIS_SETTINGS: Final = "/srv/settings/redis"
_RUN: Final = "/run/estiba"
SERVE: Final = "/srv/estiba"
_SERVER_ENV: Final = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "UTC"}
OF_THE_MACHINE: Final = ("/etc/hosts", "/etc/resolv.conf")
_SETTINGS: Final = {
    # PostgreSQL notices within a second that a client was killed, and cancels its migration.
    "client_connection_check_interval": "1s",
    # JIT compilation costs short queries, as those of web requests, more than it saves.
    "jit": "off",
    "hba_file": f"{_POSTGRESQL_SETTINGS}/{HBA}",
    # Unix socket only.
    "listen_addresses": "",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "unix_socket_directories": variables.POSTGRESQL_FOLDER,
    # Who gets to the socket is a matter of its folder, whose group is the service's.
    "unix_socket_permissions": "0770",
}


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two descriptions are of the same server: all but `tree` is equal, `digest` included.

    The tree has other packages too, so it changes with each of them; `digest` covers those that the server needs.
    """
    return {**one, "tree": ""} == {**other, "tree": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Factory of the program descriptions of one release on one target.

    Attributes:
        folder: State folder of the target.
        closure: Host closure of the release.
        env: Environment variables of the service's programs.
        memory: Memory settings of PostgreSQL, by name.
        redis_port: TCP port of Redis besides its Unix socket; 0 for none.
        listen: Pairs of IP address and port that nginx listens on.
        internal: Folders of data that nginx sends files from where the service says so, by their places in the
            service's root file system.
        published: Those that it sends files from by itself.
    """

    folder: StateFolder
    closure: HostClosure
    env: Mapping[str, str]
    memory: Mapping[str, str]
    redis_port: int = 0
    listen: tuple[tuple[str, int], ...] = ()
    internal: tuple[str, ...] = ()
    published: tuple[str, ...] = ()

    def postgresql(self, directory: Path) -> dict[str, Any]:
        """Return the description of PostgreSQL.

        Args:
            directory: Service directory, which relative paths in the description start from.
        """
        settings = {**_SETTINGS, **self.memory, **self.closure.settings}
        options = [word for name, value in sorted(settings.items()) for word in ("-c", f"{name}={value}")]
        argv = [f"{self.bin}/postgres", "-D", POSTGRESQL_DATA, *options]
        binds = {**self.database_binds, _POSTGRESQL_SETTINGS: "settings/postgresql"}
        return self._server(directory, argv, binds, user=users.POSTGRESQL)

    def redis(self, directory: Path) -> dict[str, Any]:
        """Return the description of Redis, with its append-only file on so that queued jobs survive a restart."""
        settings = [f"{_REDIS_SETTINGS}/{REDIS_SETTINGS}"] if self.redis_port else []
        options = {
            "appendonly": "yes",
            "bind": REDIS_ADDRESS,
            "dir": _REDIS_DATA,
            "port": str(self.redis_port),
            # No snapshots beside the append-only file.
            "save": "",
            "unixsocket": variables.REDIS_SOCKET,
            "unixsocketperm": "770",
        }
        args = [word for name, value in options.items() for word in (f"--{name}", value)]
        binds = {_REDIS_DATA: "data/redis", variables.REDIS_FOLDER: "run/redis", _REDIS_SETTINGS: "settings/redis"}
        return self._server(directory, ["/usr/bin/redis-server", *settings, *args], binds, user=users.REDIS)

    def nginx(self, directory: Path) -> dict[str, Any]:
        """Return the description of nginx, which inherits its listening sockets from the listener."""
        folders = {proxy.locate(place): f"data/folders{place}" for place in self.internal}
        made = self.proxy(directory, {SERVE: "serve", "/srv/media": "data/media", **folders})
        guarded = {
            proxy.locate_published(place): os.path.relpath(self.folder.path / f"data/folders{place}", directory)
            for place in self.published
        }
        return {**made, "guarded": guarded} if guarded else made

    def proxy(self, directory: Path, binds: Mapping[str, str]) -> dict[str, Any]:
        """Return the description of an nginx that sees some folders of the state folder, by mount point."""
        argv = ["/usr/sbin/nginx", "-e", "stderr", "-p", "/tmp", "-c", f"{SERVE}/nginx.conf"]  # noqa: S108 - its own
        made = self._server(directory, argv, binds, user=users.NGINX)
        if not self.closure.has_listener:
            return made
        # nginx takes inherited sockets from this variable: it is how its own binary upgrade passes them on.
        return {**made, "sockets": "NGINX", "holder": os.path.relpath(directory.with_name(LISTENER), directory)}

    def listener(self) -> dict[str, Any]:
        """Return the description of the listener, which only holds nginx's sockets, so that nginx can be replaced."""
        return {"argv": [], "env": {}, "listen": [list(one) for one in self.listen], **self.identify(users.NGINX)}

    def command(self, directory: Path, args: Sequence[str], *, run: Path | None = None) -> dict[str, Any]:
        """Return the description of a command of the image's entry point.

        Args:
            directory: Service directory.
            args: Command of the entry point with its arguments.
            run: Folder of the command's socket, or None.
        """
        binds = {
            **self.closure.data,
            variables.POSTGRESQL_FOLDER: "run/postgresql",
            variables.REDIS_FOLDER: "run/redis",
            **({_RUN: str(run.relative_to(self.folder.path))} if run else {}),
        }
        more = {f"/run/host/{Path(file).name}": file for file in OF_THE_MACHINE if Path(file).is_file()}
        argv = [*self.closure.entrypoint, *args]
        # /sys has the CPU quota of the control group, which sets the number of gunicorn's workers.
        app = replace(self.closure.app, binds=copies.relocate(self.folder, self.closure, directory))
        made = self.describe(directory, argv, app, {**binds, **more, "/sys": "/sys"}, user=users.SERVICE)
        own = {place: made["binds"][place] for place in self.closure.data}
        seeds = {own[place]: seed for place, seed in self.closure.app.seeds.items()}
        # What it stores is for nginx to read, too, whose group its folder has.
        mask = {"umask": 0o027} if self.folder.is_root else {}
        begin = {"seeds": seeds} if seeds else {}
        return {**made, **begin, "env": dict(self.env), "cwd": self.closure.cwd, **mask}

    def web(self, directory: Path, run: Path) -> dict[str, Any]:
        """Return the description of the web server, listening on a Unix socket in the folder `run`."""
        made = self.command(directory, [WEB, "--bind", f"unix:{_RUN}/{WEB_SOCKET}"], run=run)
        return {**made, **_grace(self.closure.processes[0])}

    def worker(self, directory: Path, process: Process) -> dict[str, Any]:
        """Return the description of another process of the service."""
        return {**self.command(directory, [process.name]), **_grace(process)}

    def tool(self, directory: Path, argv: Sequence[str], data: str) -> dict[str, Any]:
        """Return the description of a PostgreSQL tool that works on data files.

        Args:
            directory: Directory that it is started in.
            argv: Command line.
            data: Data folder, relative to the state folder.
        """
        return self.describe(directory, argv, self.closure.servers, {POSTGRESQL_DATA: data}, user=users.POSTGRESQL)

    def client(self, directory: Path, argv: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """Return the description of a PostgreSQL client, such as psql, that connects to the server.

        Args:
            directory: Directory that it is started in.
            argv: Command line, with the name of the program.
            env: Environment variables to add.
        """
        binds = {variables.POSTGRESQL_FOLDER: "run/postgresql"}
        words = [f"{self.bin}/{argv[0]}", *argv[1:]]
        made = self.describe(directory, words, self.closure.servers, binds, user=users.POSTGRESQL)
        return {**made, "env": {**made["env"], **env}}

    @property
    def bin(self) -> str:
        """Folder of PostgreSQL's programs in the root file system."""
        return _BIN.format(self.closure.postgresql)

    @property
    def database_binds(self) -> dict[str, str]:
        """Folders of PostgreSQL's data and socket in the state folder, by mount point."""
        return {POSTGRESQL_DATA: "data/postgresql", variables.POSTGRESQL_FOLDER: "run/postgresql"}

    def _server(self, directory: Path, argv: Sequence[str], binds: Mapping[str, str], *, user: str) -> dict[str, Any]:
        files = self.closure.servers
        # The root has other packages too, and changes with each of them. A server's user has its name.
        digest = self.closure.digests.get(user, files.tree)
        return {**self.describe(directory, argv, files, binds, user=user), "digest": digest}

    def identify(self, name: str) -> dict[str, Any]:
        """Return the part of a description that says which user the starter switches to."""
        user = self.folder.user(name)
        return {} if user is None else {"user": user}

    def describe(
        self, directory: Path, argv: Sequence[str], files: Files, binds: Mapping[str, str], *, user: str
    ) -> dict[str, Any]:
        """Return the description of a program.

        Args:
            directory: Directory that it is started in.
            argv: Command line.
            files: Root file system.
            binds: Sources by mount point: absolute ones of this machine, others relative to the state folder.
            user: Kind of the program, see `users`.
        """
        scratch = {"/tmp": f"{directory}/tmp", "/var/tmp": f"{directory}/tmp"}  # noqa: S108 - its own
        own = {
            where: os.path.relpath(self.folder.path / what, directory) for where, what in {**scratch, **binds}.items()
        }
        absolute = {where: what for where, what in binds.items() if what.startswith("/")}
        return {
            "argv": list(argv),
            "binds": {**files.binds, **own, **absolute},
            "cwd": "/",
            "env": _SERVER_ENV,
            "links": dict(files.links),
            "tree": files.tree,
            **self.identify(user),
        }


def _grace(process: Process) -> dict[str, float]:
    """Return the time limit of a process's end, which is later than the one that it sets itself."""
    return {"grace": process.grace + _RESERVE} if process.grace else {}

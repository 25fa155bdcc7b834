"""A service in its image's root file system, and PostgreSQL and Redis in theirs, without a container engine."""

from __future__ import annotations

import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import harbour

import services
from root import Root

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ENTRYPOINT: Final = ("/opt/venv/bin/python", "/opt/estiba/entrypoint.py")
PASSWORD: Final = "kq3v9XwLz0-not-to-be-seen"

_RUNTIME: Final = harbour.ROOT / "nix" / "build" / "runtime"

_IMAGE_ENV: Final = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "ESTIBA_MANAGE": "manage.py",
    "ESTIBA_WSGI": "config.wsgi:application",
    "LANG": "C.UTF-8",
    "PATH": "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
"""What the image's configuration sets; there is no HOME, as for a user that the engine does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where commands of the image run.

    Attributes:
        image: The root of the image; all of it but its temporary folder is the Nix store's, and so read-only.
        servers: The root with the servers.
        env: The environment that an operator would set.
        port: Where the service listens.
        database_port: Where PostgreSQL listens, when it runs.
        folder: For logs.
    """

    image: Root
    servers: Root
    env: dict[str, str]
    port: int
    database_port: int
    folder: Path

    @contextmanager
    def running(self, *arguments: str, **env: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        """Run a command of the image; yields its process and its log."""
        log = self.folder / f"{arguments[0]}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            child = self.image.popen([*ENTRYPOINT, *arguments], cwd="/app", env={**self.env, **env}, output=output)
        try:
            yield child, log
        finally:
            child.kill()
            child.wait()

    def run(self, *arguments: str, **env: str) -> tuple[int, str]:
        """Run a command of the image to its end; return its exit code and what it said."""
        with self.running(*arguments, **env) as (child, log):
            return child.wait(120), log.read_text()

    @contextmanager
    def database(self) -> Iterator[None]:
        """Run PostgreSQL with an empty database."""
        shutil.rmtree(self.servers.top / "tmp" / "postgresql", ignore_errors=True)
        postgresql = services.postgresql(self.servers, self.programs, self.database_port)
        with services.running(self.servers, [postgresql], self.folder):
            yield

    @property
    def programs(self) -> Path:
        """The folder of PostgreSQL's programs in the servers' root."""
        (found,) = self.servers.tree.glob("usr/lib/postgresql/*/bin")
        return Path("/", found.relative_to(self.servers.tree))


@contextmanager
def set_up(service: Path, folder: Path) -> Iterator[Stage]:
    """Build the service's parts and run Redis; PostgreSQL is left to the tests."""
    names = ("tree", "env", "application", "check-root")
    tree, env, application, servers_tree = (harbour.build(service, name) for name in names)
    servers = Root(tree=servers_tree, top=folder / "servers", env={"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin"})
    database_port, redis_port, port = (services.choose_port(0) for _ in range(3))
    addresses = services.environment(database_port, redis_port)
    binds = {"/app": application / "root/app", "/opt/estiba": _RUNTIME, "/opt/venv": env / "root/opt/venv"}
    with services.running(servers, [services.redis(redis_port)], folder):
        yield Stage(
            image=Root(tree=tree, top=folder / "image", binds=binds, env=_IMAGE_ENV),
            servers=servers,
            env={
                "ALLOWED_HOSTS": "localhost",
                "DATABASE_URL": addresses["DATABASE_URL"].replace("app:app@", f"app:{PASSWORD}@"),
                "PORT": str(port),
                "REDIS_URL": addresses["REDIS_URL"],
                "SECRET_KEY": "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS",
            },
            port=port,
            database_port=database_port,
            folder=folder,
        )

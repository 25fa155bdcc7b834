"""A service run by Docker Compose in an engine of the tests' own.

No registry's images are taken for granted: those of nginx, PostgreSQL and Redis are one image here, made from the root
that the service's checks run in. Its entry point does what that of the official images is documented to do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian, engine, golang, harbour, repositories

from estiba import config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.services.engine import Networked
    from tests.services.golang import Go

SECRET_KEY: Final = "kq3v9XwLz0TnB5yRj8HsEf2UdC7pMa4gNb6tWxQy1ZoJiVhKrS"
_SERVERS: Final = "servers:1"
_MAIL: Final = "mail:1"
_MAILPIT: Final = Path(__file__).with_name("mailpit")
_ENTRY: Final = Path(__file__).with_name("server_image.py")
_ASK: Final = """
import json, sys, urllib.error, urllib.request
asked = urllib.request.Request(sys.argv[1], headers=json.loads(sys.argv[2]))
try:
    answer = urllib.request.urlopen(asked, timeout=20)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read().decode()]))
"""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was answered: status, headers by lower-case name, and text."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True, kw_only=True)
class Composed:
    """A service whose files for Compose are run.

    Attributes:
        folder: The service's.
        engine: Where.
        variables: Of Compose, beside those of `.env`.
    """

    folder: Path
    engine: Networked
    variables: Mapping[str, str]

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run `docker-compose` and return what it says."""
        (program,) = debian.unpack("docker-compose", suite="trixie").glob(
            "usr/libexec/docker/cli-plugins/docker-compose"
        )
        env = config.load().environment(DOCKER_HOST=self.engine.address, **self.variables)
        argv = [str(program), *arguments]
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        if check and done.returncode:
            logs = self.run(*arguments[:2], "logs", "--tail=20", check=False)
            message = f"{' '.join(arguments)} exited with {done.returncode}\n{done.stdout}{done.stderr}{logs}"
            raise AssertionError(message)
        return done.stdout + done.stderr

    def ask(self, url: str, **headers: str) -> Answer:
        """Ask a published port."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        argv = [*self.engine.inside, "python3", "-c", _ASK, url, json.dumps(names)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        status, found, text = json.loads(done.stdout)
        return Answer(status=status, headers=found, text=text)


@contextmanager
def prepared(service: Path, folder: Path) -> Iterator[Composed]:
    """Run an engine that has the images, and yield a copy of the service; nothing of it runs yet."""
    copied = shutil.copytree(service, folder / "harbour", symlinks=True)
    env = {"POSTGRES_PASSWORD": "app", "SECRET_KEY": SECRET_KEY, "ALLOWED_HOSTS": "shop.example,localhost"}
    (copied / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    # Outside of a repository a build would copy the secrets, too, and is refused.
    repositories.commit(copied, {})
    with engine.run_networked(folder / "docker") as networked:
        for command in ("build", "image.load", "compose.render"):
            harbour.invoke(copied, command, DOCKER_HOST=networked.address)
        _import_servers(harbour.build(copied, "check-root"), networked.address)
        _import(networked.address, _MAIL, [bring_mailpit()], ['ENTRYPOINT ["/mailpit"]', "ENV TMPDIR=/"])
        images = dict.fromkeys(("NGINX_IMAGE", "POSTGRES_IMAGE", "REDIS_IMAGE"), _SERVERS)
        yield Composed(folder=copied, engine=networked, variables={**images, "MAIL_IMAGE": _MAIL})


def bring_mailpit() -> Path:
    """Return Mailpit, a program that takes mail and shows it."""

    def build(go: Go, folder: Path) -> None:
        go.run("build", "-o", str(folder / "mailpit"), "github.com/axllent/mailpit")

    return golang.cached(_MAILPIT, build, notice="building Mailpit, once") / "mailpit"


def _import_servers(tree: Path, address: str) -> None:
    """Make the image of the servers: a tree, and the program that starts them."""
    (python,) = tree.glob("usr/bin/python3.??")
    (programs,) = tree.glob("usr/lib/postgresql/*/bin")
    entry = json.dumps([f"/usr/bin/{python.name}", f"/{_ENTRY.name}"])
    path = f"PATH=/usr/sbin:/usr/bin:/{programs.relative_to(tree)} PGHOST=/tmp"
    _import(address, _SERVERS, [tree, _ENTRY], [f"ENTRYPOINT {entry}", 'CMD ["nginx"]', f"ENV {path}"])


def _import(address: str, name: str, parts: Sequence[Path], changes: Sequence[str]) -> None:
    """Make an image of programs, and of what is in folders."""
    words = [word for part in parts for word in _pack(part)]
    argv = [*debian.inside(engine.PACKAGE), "docker", "import", *(f"--change={line}" for line in changes), "-", name]
    with subprocess.Popen(["tar", "--create", *words], stdout=subprocess.PIPE) as packed:
        env = config.load().environment(DOCKER_HOST=address)
        subprocess.run(argv, stdin=packed.stdout, env=env, check=True, stdout=subprocess.DEVNULL)
    assert packed.returncode == 0


def _pack(part: Path) -> tuple[str, ...]:
    """Return what tar calls a folder's content, or a file."""
    return ("--directory", str(part), ".") if part.is_dir() else ("--directory", str(part.parent), part.name)

"""Program: PostgreSQL and Redis of a service's lock for its developers, from its own folder, until somebody ends them.

They listen on sockets in a folder that only its owner may enter: everybody on the machine can reach a port, and trust
takes the place of passwords.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn
from urllib.parse import quote

given: dict[str, Any] = json.loads(Path(__file__).resolve().parents[1].joinpath("settings.json").read_text())
sys.path[:0] = [given["modules"], f"{given['modules']}/checks"]

import services  # noqa: E402 - found on the path as it is now
from root import Root  # noqa: E402

FAILED, BUSY, UNUSABLE = 8, 75, 17
"""Exit codes, as Estiba has them: a server failed, they run already, their folder cannot be used."""

_HERE = "/srv"
_USER = "app"
_LONGEST = 107
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Apart(Root):
    """A root whose programs get no signals from the terminal; they are ended one by one, and only once."""

    __slots__ = ()

    def enter(self, cwd: str) -> None:
        """Become the program's process, see `Root.enter`."""
        os.setsid()
        super().enter(cwd)


def main() -> None:
    """Run both until a signal comes or one of them ends."""
    folder = Path(sys.argv[1])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tree = Path(given["tree"])
    (programs,) = tree.glob("usr/lib/postgresql/*/bin")
    with (folder / "lock").open("w") as lock:
        prepare(folder, lock.fileno(), version=programs.parent.name)
        for number in _SIGNALS:
            signal.signal(number, leave)
        root = Apart(tree=tree, top=folder / "root", binds={_HERE: folder}, env={"LANG": "C.UTF-8", "TZ": "UTC"})
        both = [postgresql(root, Path("/", programs.relative_to(tree)), folder), redis(root)]
        try:
            with services.running(root, both, folder) as children:
                (folder / "made").touch()
                say(folder, version=programs.parent.name)
                watch(children, folder)
        except services.ServiceError as error:
            fail(str(error), FAILED)


def fail(message: str, code: int) -> NoReturn:
    """Say why this ends."""
    print(f"services: {message}", file=sys.stderr)
    sys.exit(code)


def leave(_number: int, _frame: FrameType | None) -> None:
    """End, and do not let a second signal interrupt that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


def prepare(folder: Path, lock: int, *, version: str) -> None:
    """Take the folder for this process alone, and make it what the servers expect."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fail(f"they run already, from {folder}", BUSY)
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > _LONGEST:
        fail(
            f"the sockets in {folder} would have paths of more than {_LONGEST} bytes\n"
            "  hint: move the service to a folder with a shorter path",
            UNUSABLE,
        )
    data = folder / "postgresql"
    if not (folder / "made").exists():
        shutil.rmtree(data, ignore_errors=True)
    elif (found := (data / "PG_VERSION").read_text().strip()) != version:
        fail(
            f"{data} is of PostgreSQL {found}, and the lock has {version}\n"
            f"  hint: keep what you need of it, then: rm -r {folder}",
            UNUSABLE,
        )
    (folder / "redis").mkdir(exist_ok=True)
    for log in folder.glob("*.log"):
        log.unlink()


def postgresql(root: Root, programs: Path, folder: Path) -> services.Service:
    """Return a server whose data outlives it; a new one gets a superuser, and a database of his name."""
    data = f"{_HERE}/postgresql"
    at = ["--host", _HERE, "--username", _USER]
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": _HERE,
        "unix_socket_permissions": "0700",
        # Needs LLVM, a third of all the packages, and would only be used for long queries.
        "jit": "off",
        "log_timezone": "UTC",
        "timezone": "UTC",
        **services.list_settings(root.tree),
    }
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    initdb = ["--pgdata", data, "--username", _USER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C.UTF-8"]
    is_new = not (folder / "made").exists()
    return services.Service(
        name="postgresql",
        argv=[str(programs / "postgres"), "-D", data, *options],
        is_ready=lambda: root.run([str(programs / "pg_isready"), "--quiet", *at]) == 0,
        setup=[[str(programs / "initdb"), *initdb, "--no-instructions"]] if is_new else [],
        finish=[[str(programs / "createdb"), *at, _USER]] if is_new else [],
    )


def redis(root: Root) -> services.Service:
    """Return a server that keeps its jobs over a restart."""
    socket = f"{_HERE}/redis.sock"
    options = {
        "appendonly": "yes",
        "dir": f"{_HERE}/redis",
        "port": "0",
        "save": "",
        "unixsocket": socket,
        "unixsocketperm": "700",
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    ping = ["/usr/bin/redis-cli", "-e", "-s", socket, "ping"]
    argv = ["/usr/bin/redis-server", *words]
    return services.Service(name="redis", argv=argv, is_ready=lambda: _is_answered(root, ping))


def _is_answered(root: Root, argv: list[str]) -> bool:
    with Path(os.devnull).open("wb") as nowhere:
        return root.run(argv, output=nowhere) == 0


def say(folder: Path, *, version: str) -> None:
    """Tell that they answer, and where."""
    place = quote(str(folder))
    print(f"PostgreSQL {version} and Redis answer; Ctrl-C ends them, and {folder} keeps their data", file=sys.stderr)
    print(f"DATABASE_URL=postgresql://{_USER}@/{_USER}?host={place}")
    print(f"REDIS_URL=unix://{place}/redis.sock?db=0", flush=True)


def watch(children: list[subprocess.Popen[bytes]], folder: Path) -> None:
    """Wait until one of them ends by itself, which is an error."""
    while all(child.poll() is None for child in children):
        time.sleep(0.2)
    fail(f"one of them has ended; see {folder}/postgresql.log and {folder}/redis.log", FAILED)


if __name__ == "__main__":
    main()

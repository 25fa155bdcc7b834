"""Program: all that a developer of a service runs, in one log: servers, generated files, migrations, web and worker.

Arguments: the service's folder; then `up PORT`, until somebody ends it, `down`, or `messages`, which brings compiled
message catalogues alone. PostgreSQL and Redis are those of `run_services.py`. The development server restarts when a
source changes, the worker when it is told to; with `tests` after the port, the tests run whenever a file is saved.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

given: dict[str, Any] = json.loads(Path(__file__).resolve().parents[1].joinpath("settings.json").read_text())

FAILED, BUSY = 8, 75
"""Exit codes, as Estiba has them: a process failed, they run already."""

_STATE = Path(".estiba")
_PATIENCE = 30.0
"""Seconds that processes have to end; PostgreSQL writes a checkpoint then."""

_PAUSE = 0.1
_LOOK = 1.0
"""Seconds between two looks for files that were saved."""

_SAVED = (".html", ".json", ".po", ".py", ".toml")
_MADE = (".", "htmlcov", "node_modules", "reports")
"""What folders begin with that nobody edits; a report that the tests write is no reason to run them again."""

_LAST = "REDIS_URL"
"""The last of the variables that `run_services.py` prints."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_printing = threading.Lock()


def main() -> None:
    """Do what the second argument says."""
    folder = Path(sys.argv[1])
    (folder / _STATE).mkdir(exist_ok=True)
    with (folder / _STATE / "develop.lock").open("a+") as lock:
        if sys.argv[2] == "down":
            end_other(lock)
        elif sys.argv[2] == "tests":
            test_on_save(folder)
        elif sys.argv[2] == "messages":
            bring_messages(folder)
        else:
            take(lock)
            run(folder, int(sys.argv[3]))


def take(lock: IO[str]) -> None:
    """Note that this process is the one, unless another one is."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fail("it runs already; end it with: invoke dev.down", BUSY)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def end_other(lock: IO[str]) -> None:
    """End the process that holds the lock, and wait for it; none is fine, too."""
    deadline = time.monotonic() + _PATIENCE
    asked = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            number = lock.read()
            if number and not asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(number), signal.SIGTERM)
                asked = True
        else:
            print("ended" if asked else "nothing runs", file=sys.stderr)
            return
        if time.monotonic() > deadline:
            fail(f"it has not ended within {_PATIENCE:g} seconds", FAILED)
        time.sleep(_PAUSE)


def run(folder: Path, port: int) -> None:
    """Run everything until a signal comes or one of the processes ends."""
    for number in _SIGNALS:
        signal.signal(number, leave)
    os.chdir(folder)
    manage = folder / given["manage"]
    python = [given["python"], str(manage)]
    env = {**os.environ, "PYTHONPATH": str(manage.parent), **given["variables"]}
    env["PATH"] = f"{env.get('PATH', os.defpath)}:{given['programs']}"
    commands = {
        "web": [*python, "runserver", f"127.0.0.1:{port}"],
        "worker": [*python, "rqworker", "--with-scheduler"],
    }
    if "tests" in sys.argv[4:]:
        commands["tests"] = [sys.executable, __file__, str(folder), "tests"]
    bring_messages(folder)
    with contextlib.ExitStack() as stack:
        argv = [given["services"], str(folder / _STATE / "services")]
        servers = stack.enter_context(running("servers", argv, env, is_read=True))
        env |= read_addresses(servers)
        for words in given["prepare"]:
            # As in the build: a command of manage.py, or a script of the service.
            finish("prepare", [*(python[:1] if words[0].endswith(".py") else python), *words], env)
        finish("migrate", [*python, "migrate"], env)
        children = {name: stack.enter_context(running(name, argv, env)) for name, argv in commands.items()}
        watch({"servers": servers, **children})


def bring_messages(folder: Path) -> None:
    """Put the compiled message catalogues, if they are not in git, where the service looks for them."""
    if not given["catalogues"]:
        return
    for path in sorted(Path(given["catalogues"]).rglob("*.mo")):
        here = folder / path.relative_to(given["catalogues"])
        content = path.read_bytes()
        if here.parent.is_dir() and not (here.exists() and here.read_bytes() == content):
            here.write_bytes(content)
            print(f"wrote {here.relative_to(folder)}", file=sys.stderr)


def finish(name: str, argv: list[str], env: dict[str, str]) -> None:
    """Run a process to its end, and everything ends where it fails."""
    with running(name, argv, env) as child:
        if child.wait():
            fail(f"{name} failed, see above", FAILED)


def read_addresses(servers: "subprocess.Popen[str]") -> dict[str, str]:
    """Return the variables that the servers print as soon as they answer."""
    assert servers.stdout is not None
    found: dict[str, str] = {}
    while _LAST not in found:
        name, _, value = servers.stdout.readline().rstrip("\n").partition("=")
        if not name:
            fail("PostgreSQL and Redis do not run, see above", FAILED)
        found[name] = value
    return found


@contextlib.contextmanager
def running(
    name: str, argv: list[str], env: dict[str, str], *, is_read: bool = False
) -> "Iterator[subprocess.Popen[str]]":
    """Run a process whose lines are shown with its name, and end it; it gets no signals from the terminal.

    Args:
        name: Of the process.
        argv: Its command.
        env: Its whole environment.
        is_read: Whether its standard output is for the caller, and its standard error alone is shown.
    """
    errors = subprocess.PIPE if is_read else subprocess.STDOUT
    child = subprocess.Popen(argv, env=env, text=True, start_new_session=True, stdout=subprocess.PIPE, stderr=errors)
    lines = child.stderr if is_read else child.stdout
    assert lines is not None
    threading.Thread(target=show, args=(name, lines), daemon=True).start()
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def show(name: str, lines: IO[str]) -> None:
    """Print the lines of a process behind its name."""
    for line in lines:
        with _printing:
            print(f"{name:>7} | {line}", end="", flush=True)


def watch(children: "dict[str, subprocess.Popen[str]]") -> NoReturn:
    """Wait until one of the processes ends by itself, which is an error."""
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                fail(f"{name} has ended with {child.returncode}, see above", FAILED)
        time.sleep(_PAUSE)


def test_on_save(folder: Path) -> NoReturn:
    """Run the tests, and again whenever a file of the service has changed, until a signal comes."""
    for number in _SIGNALS:
        signal.signal(number, leave)
    os.chdir(folder)
    tested: dict[Path, int] = {}
    while True:
        found = dict(list_saved(folder))
        if found != tested:
            tested = found
            subprocess.run(given["test"], check=False)
        time.sleep(_LOOK)


def list_saved(folder: Path) -> "Iterator[tuple[Path, int]]":
    """Yield what people write in a service's folder, with the time when it was saved, in nanoseconds."""
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(_MADE)]
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                if name.endswith(_SAVED):
                    yield Path(top, name), Path(top, name).stat().st_mtime_ns


def fail(message: str, code: int) -> NoReturn:
    """Say why this ends."""
    print(f"develop: {message}", file=sys.stderr)
    sys.exit(code)


def leave(_number: int, _frame: FrameType | None) -> None:
    """End, and do not let a second signal interrupt that."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)


if __name__ == "__main__":
    main()

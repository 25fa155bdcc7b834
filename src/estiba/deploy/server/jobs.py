"""Commands that outlive the connection which began them: each has a folder with its progress and its outcome."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from estiba import files, process
from estiba.deploy.server import request as requests
from estiba.deploy.ssh import codec
from estiba.errors import EstibaError, TargetError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.config import Config
    from estiba.deploy.server.request import Request

_FOLDER: Final = ".commands"
"""Folder in the state folder of the user; no service has a name that begins with a dot."""

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_INTERRUPTED: Final = "interrupted"
_REQUEST: Final = "request.json"
_LOCK: Final = "lock"
_PROGRESS: Final = "progress.jsonl"
_OUTCOME: Final = "outcome.json"
_KEPT: Final = 20
_PAUSE: Final = 0.03
_BEGINNING: Final = 20.0
"""Seconds after which a command that did not begin never will."""


def locate(name: str, config: Config) -> Path:
    """Return the folder of a command.

    Raises:
        UsageError: That is no name of one.
    """
    if not _NAME.fullmatch(name):
        msg = f"{name!r} is no name of a command"
        raise UsageError(msg)
    return config.state_dir / _FOLDER / name


def put(job: Path, text: str) -> Request | None:
    """Keep a request for `take` and return it; return None if it is there already.

    Raises:
        TargetError: It is incomplete; nothing is left of it.
    """
    if job.exists():
        return None
    request = requests.parse(text)
    if job.parent.exists():
        _prune(job.parent)
    return request if _place(job, _REQUEST, text) else None


def begin(job: Path, user: str, program: str, config: Config) -> None:
    """Start a command whose request was put, in a session of its own.

    Args:
        job: Folder of the command.
        user: Name of the person who asks; the logbook takes it for that of the login.
        program: Path of the server's program.
        config: Configuration from the environment.
    """
    argv = [program, "work", job.name]
    process.spawn(argv, env=config.environment(LOGNAME=user), cwd=Path.home(), output=job / "log")


def take(job: Path) -> Request:
    """Return the request of a command and remove it, as it may hold secrets.

    Raises:
        TargetError: It is damaged.
    """
    text = files.read(job / _REQUEST)
    (job / _REQUEST).unlink()
    return requests.parse(text)


def discard(job: Path) -> None:
    """Remove the folder of a command that was taken and needs no follower."""
    shutil.rmtree(job, ignore_errors=True)


def work(job: Path, config: Config) -> None:
    """Run a command to its end, whoever follows it."""
    # `interrupt` takes the number from here, once the lock is held.
    files.write(job / "pid", str(os.getpid()))
    with _hold(job), (job / _PROGRESS).open("a", encoding="utf-8") as progress:

        def report(line: Mapping[str, str]) -> None:
            progress.write(json.dumps(dict(line)) + "\n")
            progress.flush()

        try:
            request = take(job)
            outcome = requests.execute(request, requests.make_target(request, config, job), report)
        except (EstibaError, OSError) as error:
            outcome = {"error": codec.describe(error)}
        except KeyboardInterrupt as error:
            outcome = {"interrupted": str(error)}
        finally:
            _forget(job)
        files.write(job / _OUTCOME, json.dumps(outcome))


def interrupt(job: Path) -> bool:
    """Ask a command to stop, as Ctrl-C does, and return whether it had begun; one that had not never will."""
    # In the place of its request, which may still be on its way.
    if _place(job, _INTERRUPTED, "") or _withdraw(job):
        return False
    if _is_held(job):
        with suppress(ProcessLookupError):
            os.kill(int((job / "pid").read_text()), signal.SIGINT)
    return (job / _LOCK).exists()


def follow(job: Path, seen: int, progress: TextIO) -> dict[str, Any]:
    """Write the progress of a command as lines of JSON until it has ended, and return its outcome.

    Args:
        job: Folder of the command.
        seen: Number of lines that the other side has seen already.
        progress: Where to write them.
    """
    since, number = time.monotonic(), 0
    while True:
        # In this order: what has ended writes no more.
        is_held, outcome = _is_held(job), _read_outcome(job)
        lines = _read_lines(job)
        progress.writelines(line + "\n" for line in lines[max(number, seen) :])
        progress.flush()
        number = max(number, len(lines))
        if outcome is not None:
            return outcome
        if is_held is False:
            msg = "the command was killed before its end; the next one repairs what it has left"
            hint = "invoke status shows what is served, and which step it was in"
            return {"error": codec.describe(TargetError(msg, hint=hint))}
        is_late = is_held is None and time.monotonic() - since > _BEGINNING
        if is_late and (_withdraw(job) or not (job / _LOCK).exists()):
            msg = f"the command did not begin in {_BEGINNING:.0f} s, and will not"
            return {"error": codec.describe(TargetError(msg, hint="run the command again"))}
        time.sleep(_PAUSE)


def _place(job: Path, name: str, text: str) -> bool:
    """Make the folder of a command, with a file in it from the first moment; return whether it was not there yet."""
    job.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{job.name}.", dir=job.parent))
    try:
        # rename(2) would replace an empty folder.
        files.write(scratch / name, text)
        scratch.rename(job)
    except OSError:
        if not job.exists():
            raise
        return False
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return True


def _withdraw(job: Path) -> bool:
    """Remove the request of a command, and return whether nobody has taken it: then it never begins."""
    try:
        (job / _REQUEST).unlink()
    except FileNotFoundError:
        return False
    return True


@contextmanager
def _hold(job: Path) -> Iterator[None]:
    """Hold the lock of a command while the block runs; who sees the file sees it locked until this process ends."""
    made = job / f".{_LOCK}"
    with files.lock(made):
        made.rename(job / _LOCK)
        yield


def _read_outcome(job: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((job / _OUTCOME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def _read_lines(job: Path) -> list[str]:
    """Return the whole lines of progress."""
    try:
        text = (job / _PROGRESS).read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return text.split("\n")[:-1]


def _is_held(job: Path) -> bool | None:
    """Return whether the process of a command runs; None where it has not begun."""
    if not (job / _LOCK).exists():
        return None
    try:
        with files.lock(job / _LOCK, shared=True):
            return False
    except BlockingIOError:
        return True


def _forget(job: Path) -> None:
    """Remove what may be secret."""
    (job / _REQUEST).unlink(missing_ok=True)
    requests.forget(job)


def _prune(folder: Path) -> None:
    """Remove the oldest commands that have ended, as the logbook has what they did; of others what may be secret."""
    # Another command may do the same at this moment; the next one does the rest.
    with suppress(FileNotFoundError):
        ended = sorted((path.stat().st_mtime, path) for path in folder.iterdir() if not _is_held(path))
        commands = [path for _, path in ended if _NAME.fullmatch(path.name)]
        # One that was killed has left it; one that has not begun yet needs it.
        for path in (path for since, path in ended if time.time() - since > 2 * _BEGINNING):
            _forget(path)
            if path not in commands:
                shutil.rmtree(path, ignore_errors=True)
        for path in commands[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)

"""Child processes; no other module imports `subprocess`."""

from __future__ import annotations

import ctypes
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, Protocol

from estiba import config
from estiba.errors import CommandError, MissingProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_TAIL_LINES: Final = 20
_GRACE: Final = 5.0
"""Seconds between SIGTERM and SIGKILL."""

_PATIENCE: Final = 20.0
"""Seconds that a watched program has to write down that it was ended, as Helm does in the cluster."""

_PR_SET_PDEATHSIG: Final = 1
"""Option of prctl(2)."""

# A session of its own keeps signals of the terminal away, and is a process group that `_end` can signal as a whole; the
# umask is for files with secrets.
_DETACHED: Final[dict[str, Any]] = {"start_new_session": True, "umask": 0o077}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """Result of a finished process.

    Attributes:
        argv: Command and arguments.
        code: Exit code; negative for the number of the signal that ended the process.
        stdout: Standard output, decoded with the locale's encoding.
        tail: Last 20 lines of standard error.
    """

    argv: tuple[str, ...]
    code: int
    stdout: str
    tail: str


class Runner(Protocol):
    """Callable that runs a command; passed as an argument, so that tests can record the commands."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        """Run `argv` and wait for it; see `run`."""
        ...


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
    check: bool = True,
    on_line: Callable[[str], None] | None = None,
) -> Completed:
    """Run a command, wait for it, and capture its standard output and the last lines of its standard error.

    Args:
        argv: Command and arguments; no shell is involved.
        env: Complete environment of the child; by default that of this process.
        cwd: Working directory.
        stdin: Text for standard input; by default it is empty.
        check: Raise on an exit code other than 0.
        on_line: Called in another thread with each line of standard error, without its newline. An exception that it
            raises is raised here once the command has ended.

    Raises:
        MissingProgramError: The program does not exist.
        CommandError: The exit code is not 0, and `check` is set.
    """
    _log.debug("run: %s", shlex.join(argv))
    try:
        child = subprocess.Popen(
            argv,
            env=config.variables() if env is None else env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",  # programs quote bytes that are not valid text, as Nix does from a damaged archive
        )
    except FileNotFoundError as error:
        # The same exception means a missing working directory, which the caller has to explain.
        if error.filename != argv[0]:
            raise
        raise _missing(argv) from error
    with child:
        stdout, tail = _communicate(child, stdin, on_line)
    completed = Completed(argv=tuple(argv), code=child.returncode, stdout=stdout, tail=tail)
    if check and completed.code != 0:
        raise CommandError(completed.argv, completed.code, completed.tail)
    return completed


def run_watched(
    argv: Sequence[str], *, poll: Callable[[], None], interval: float = 2.0, env: Mapping[str, str] | None = None
) -> Completed:
    """Run a command as `run` does, and call a function while it runs.

    The command does not outlive this process, which Linux sees to even where this process is killed.

    Args:
        argv: Command and arguments; no shell is involved.
        poll: Called every `interval` seconds; an exception that it raises ends the command with SIGTERM, and with
            SIGKILL if that is ignored, and is raised again.
        interval: Seconds between two calls.
        env: Complete environment of the child; by default that of this process.

    Raises:
        MissingProgramError: The program does not exist.
        CommandError: The exit code is not 0.
    """
    _log.debug("run: %s", shlex.join(argv))
    try:
        child = subprocess.Popen(
            argv,
            env=config.variables() if env is None else env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the child in order
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one call of the C library's, which takes no lock
        )
    except FileNotFoundError as error:
        raise _missing(argv) from error
    stdout, stderr = _poll(child, poll, interval)
    tail = "\n".join(stderr.splitlines()[-_TAIL_LINES:])
    if child.returncode:
        raise CommandError(argv, child.returncode, tail)
    return Completed(argv=tuple(argv), code=0, stdout=stdout, tail=tail)


def stream(argv: Sequence[str]) -> Iterator[str]:
    """Run a command and yield the lines of its standard output; it is ended when the caller stops iterating.

    Raises:
        MissingProgramError: The program does not exist.
        CommandError: The exit code is not 0.
    """
    _log.debug("run: %s", shlex.join(argv))
    try:
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace", env=config.variables()
        )
    except FileNotFoundError as error:
        raise _missing(argv) from error
    assert child.stdout is not None
    try:
        for line in child.stdout:
            yield line.rstrip("\n")
        if child.wait():
            raise CommandError(argv, child.returncode, "")
    finally:
        child.terminate()
        child.stdout.close()
        child.wait()


def run_interactive(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run a command on this process's terminal and return its exit code.

    Raises:
        MissingProgramError: The program does not exist.
    """
    try:
        return subprocess.run(argv, env=env, cwd=cwd, check=False).returncode
    except FileNotFoundError as error:
        raise _missing(argv) from error


def exec_program(argv: Sequence[str]) -> NoReturn:
    """Replace this process with another program (execve(2)); it keeps the terminal and receives its signals."""
    _log.debug("exec: %s", shlex.join(argv))
    # execve(2) discards what Python has buffered.
    sys.stdout.flush()
    os.execv(argv[0], list(argv))  # noqa: S606 - no shell is the point


def run_limited(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    limit: float,
    stdin: str = "",
    poll: Callable[[], None] = lambda: None,
) -> int | None:
    """Run a command with a time limit and append its output to a file; return its exit code, None on a timeout.

    Args:
        argv: Command and arguments.
        env: Complete environment of the child.
        cwd: Working directory.
        output: File to append standard output and standard error to.
        limit: Time limit in seconds; then the session gets SIGTERM, and SIGKILL 5 seconds later.
        stdin: Text for standard input.
        poll: Called every second while the command runs.
    """
    _log.debug("run: %s", shlex.join(argv))
    with _append(output) as stream:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=stream, stderr=stream, **_DETACHED
        )
    with child:
        try:
            return _wait(child, stdin.encode(), limit, poll)
        finally:
            if child.returncode is None:
                _end(child)


def _wait(child: subprocess.Popen[bytes], stdin: bytes, limit: float, poll: Callable[[], None]) -> int | None:
    """Return the exit code of a child, None where it runs longer than a time limit."""
    end = time.monotonic() + limit
    while child.returncode is None and (left := end - time.monotonic()) > 0:
        try:
            child.communicate(stdin, min(left, 1.0))
        except subprocess.TimeoutExpired:
            stdin = b""  # which is given once
            poll()
    return child.returncode


def spawn(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path) -> int:
    """Start a process in a session of its own, which outlives this one, and return its PID; see `run_limited`."""
    _log.debug("spawn: %s", shlex.join(argv))
    with _append(output) as stream:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, **_DETACHED
        )
    # Without wait(2) the process would stay a zombie, and count as alive, for as long as this one runs.
    threading.Thread(target=child.wait, daemon=True).start()
    return child.pid


def _missing(argv: Sequence[str]) -> MissingProgramError:
    msg = f"program not found: {argv[0]}"
    return MissingProgramError(msg, hint="enter the development shell first: ./nixw develop")


def _append(path: Path) -> IO[bytes]:
    """Open a file to append to, without following a link that the user of the process may have put in its place."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the process group of a child with SIGTERM, and with SIGKILL where that is ignored."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(_GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
        else:
            return


def _communicate(
    child: subprocess.Popen[str], stdin: str | None, on_line: Callable[[str], None] | None
) -> tuple[str, str]:
    """Write and read the three streams of a child at once, and terminate it when this thread is interrupted.

    One after the other would deadlock as soon as a pipe that nobody reads is full.
    """
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    problems: list[BaseException] = []
    threads = [
        threading.Thread(target=_drain, args=(child.stderr, tail, on_line, problems), daemon=True),
        threading.Thread(target=_feed, args=(child.stdin, stdin or ""), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        stdout = child.stdout.read()
        child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return stdout, "\n".join(tail)


@contextmanager
def interruptible() -> Iterator[None]:
    """Take SIGTERM and SIGHUP for Ctrl-C while the block runs: they raise KeyboardInterrupt in the main thread.

    Those that follow another signal are ignored: a CI system sends SIGINT, and SIGTERM some seconds later, while the
    block puts back what it has changed. A second Ctrl-C is a second KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def interrupt(number: int, _frame: object) -> None:
        is_first = not seen
        seen.append(number)
        if is_first or number == signal.SIGINT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _die_with_parent() -> Callable[[], object] | None:
    """Return what a child calls to get SIGTERM when this thread ends; None where the kernel is not Linux."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _poll(child: subprocess.Popen[str], poll: Callable[[], None], interval: float) -> tuple[str, str]:
    """Return what a child has written when it has ended, calling a function meanwhile."""
    try:
        while True:
            try:
                return child.communicate(timeout=interval)
            except subprocess.TimeoutExpired:
                poll()
    except BaseException:
        child.terminate()
        try:
            child.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
        raise


def _drain(
    stream: IO[str], tail: deque[str], on_line: Callable[[str], None] | None, problems: list[BaseException]
) -> None:
    """Read standard error to its end, also after `on_line` has raised."""
    for raw in stream:
        line = raw.rstrip("\n")
        tail.append(line)
        if on_line and not problems:
            try:
                on_line(line)
            except BaseException as problem:  # noqa: BLE001 - raised again where the command was started
                # If reading stopped here, the child would block for ever on a full pipe.
                problems.append(problem)


def _feed(stream: IO[str], text: str) -> None:
    try:
        stream.write(text)
        stream.close()
    except BrokenPipeError:
        # A child may exit before it has read everything; its exit code says whether that is an error.
        sys.exc_info()

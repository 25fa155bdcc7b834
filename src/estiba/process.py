"""The only module that starts a process."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, Protocol

from estiba import config
from estiba.errors import CommandError, MissingProgramError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_TAIL_LINES: Final = 20
_GRACE: Final = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a finished command left: its argv, exit code, standard output and the tail of standard error."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    tail: str


class Runner(Protocol):
    """Runs a command; code that needs one takes it as an argument, so that tests can pass a recording one."""

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
        """Run `argv` to its end; see `run`."""
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
    """Run a command to its end, capture its standard output, and keep the last lines of its standard error.

    Args:
        argv: The command; never a shell string.
        env: The child's whole environment; by default this process's own.
        cwd: Its working directory.
        stdin: Text for its standard input, which is empty otherwise.
        check: Raise when the exit code is not 0.
        on_line: Called with every line of standard error, without its newline, from a thread; what it raises is raised
            here once the command has ended.

    Raises:
        MissingProgramError: The program does not exist.
        CommandError: It exited with something other than 0, and `check` is set.
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
            errors="replace",  # a program may quote bytes that are no text, as Nix does of a damaged archive
        )
    except FileNotFoundError as error:
        if error.filename != argv[0]:
            raise
        msg = f"program not found: {argv[0]}"
        raise MissingProgramError(msg, hint="enter the development shell first: ./nixw develop") from error
    with child:
        stdout, tail = _communicate(child, stdin, on_line)
    completed = Completed(argv=tuple(argv), code=child.returncode, stdout=stdout, tail=tail)
    if check and completed.code != 0:
        raise CommandError(completed.argv, completed.code, completed.tail)
    return completed


def run_interactive(argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> int:
    """Run an interactive command on this terminal and return its exit code.

    Raises:
        MissingProgramError: The program does not exist.
    """
    try:
        return subprocess.run(argv, env=env, cwd=cwd, check=False).returncode
    except FileNotFoundError as error:
        msg = f"program not found: {argv[0]}"
        raise MissingProgramError(msg, hint="enter the development shell first: ./nixw develop") from error


def exec_program(argv: Sequence[str]) -> NoReturn:
    """Go on as another program, which gets this terminal and its signals as if it had been started there."""
    _log.debug("become: %s", shlex.join(argv))
    sys.stdout.flush()
    os.execv(argv[0], list(argv))  # noqa: S606 - no shell is the point


def run_limited(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    output: Path,
    limit: float,
    user: int | None = None,
    stdin: str = "",
) -> int | None:
    """Run a command with a time limit, its output appended to a file; return its exit code, None past the limit.

    Args:
        argv: The command.
        env: Its whole environment.
        cwd: Its working directory, which the user need not be able to reach by its path.
        output: The file for what it prints.
        limit: In seconds; it is asked to end then, and is made to a little later.
        user: Id of the user, and of the group, to become before it starts.
        stdin: Text for its standard input.
    """
    _log.debug("run: %s", shlex.join(argv))
    with output.open("ab") as stream:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=stream, stderr=stream, **_identity(user)
        )
    with child:
        try:
            child.communicate(stdin.encode(), limit)
        except subprocess.TimeoutExpired:
            _end(child)
            return None
        except BaseException:
            _end(child)
            raise
    return child.returncode


def spawn(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path, user: int | None = None) -> int:
    """Start a process that outlives this one, in a session of its own, and return its id; arguments as above."""
    _log.debug("spawn: %s", shlex.join(argv))
    with output.open("ab") as stream:
        child = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, **_identity(user)
        )
    # Whoever starts a process has to take note of its end.
    threading.Thread(target=child.wait, daemon=True).start()
    return child.pid


def _identity(user: int | None) -> dict[str, Any]:
    changed = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    return {"start_new_session": True, "umask": 0o077, **changed}


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and all of its session: with SIGTERM, and with SIGKILL where that is ignored."""
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
    """Feed and drain the child's three streams at once; stop the child when this thread is interrupted."""
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


def _drain(
    stream: IO[str], tail: deque[str], on_line: Callable[[str], None] | None, problems: list[BaseException]
) -> None:
    """Read standard error to its end, whatever becomes of those who are told its lines."""
    for raw in stream:
        line = raw.rstrip("\n")
        tail.append(line)
        if on_line and not problems:
            try:
                on_line(line)
            except BaseException as problem:  # noqa: BLE001 - raised again where the command was started
                # A child whose standard error nobody reads would stop for ever at a full pipe.
                problems.append(problem)


def _feed(stream: IO[str], text: str) -> None:
    try:
        stream.write(text)
        stream.close()
    except BrokenPipeError:
        # A child that stops reading early tells why through its exit code.
        sys.exc_info()

"""Run a program in a PID namespace of its own: it sees no other processes, and none of its own outlives it.

The process that the supervisor knows stays outside and passes signals on to the first process of the namespace, which
passes them on to the program and collects what the program leaves. If either is killed, the kernel ends all others.
"""

import ctypes
import os
import platform
import resource
import signal
import stat
import sys
from collections.abc import Callable
from typing import NoReturn

_CLONE = {"x86_64": 56, "aarch64": 220}
"""Numbers of clone(2), which unlike fork(2) and unshare(2) leaves this process itself where it is."""

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PASSED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGTERM,
    signal.SIGCONT,
    signal.SIGWINCH,
)
_REFUSED = 125
"""Exit code of a first process that could not begin."""

_libc = ctypes.CDLL(None, use_errno=True)


class RefusedError(Exception):
    """The kernel refuses the namespace, as in a container that hides parts of /proc."""


def switch(user: int) -> None:
    """Become another user for good, with the group of the same number and no other one."""
    # Programs open /dev/stdout, as nginx its log: a pipe can be opened by its owner only.
    if stat.S_ISFIFO(os.fstat(1).st_mode):
        os.fchown(1, user, user)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    # Otherwise the process could not write the maps of its user namespace, which would be root's.
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def die_with_parent(number: signal.Signals) -> None:
    """Get a signal when the process that started this one ends; a change of the user cancels that."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def run(settle: Callable[[], None], execute: Callable[[], NoReturn]) -> NoReturn:
    """Run a program in new namespaces of users, mounts and processes, and end as it ends.

    Args:
        settle: What the first process does in them before the program is started.
        execute: What the program's process does: execve(2).

    Raises:
        RefusedError: There can be no such namespaces, or `settle` raised an OSError.
    """
    reader, writer = os.pipe()
    # None is lost: until somebody can pass it on, it waits. The first process of a namespace would ignore it for ever.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED)
    first = _clone()
    if first == 0:
        os.close(reader)
        _be_first(settle, execute, writer, before)
    os.close(writer)
    _pass_on(first)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    _, status = os.waitpid(first, 0)
    if os.waitstatus_to_exitcode(status) == _REFUSED:
        raise RefusedError
    found = os.read(reader, 16)
    # Without an answer the first process was killed, and all others with it.
    _end_as(int(found) if found else int(signal.SIGKILL))


def _clone() -> int:
    flags = _CLONE_NEWUSER | _CLONE_NEWNS | _CLONE_NEWPID | int(signal.SIGCHLD)
    sys.stdout.flush()
    child = int(_libc.syscall(_CLONE[platform.machine()], flags, 0, 0, 0, 0))
    if child < 0:
        raise RefusedError(os.strerror(ctypes.get_errno()))
    return child


def _be_first(
    settle: Callable[[], None], execute: Callable[[], NoReturn], writer: int, mask: set[int | signal.Signals]
) -> NoReturn:
    """Be the first process of a namespace: start the program, pass signals on, and collect all that ends."""
    try:
        die_with_parent(signal.SIGKILL)
        settle()
        program = os.fork()
    except OSError as error:
        sys.stderr.write(f"no namespace of processes: {error}\n")
        os._exit(_REFUSED)
    if program == 0:
        os.close(writer)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        execute()
    _pass_on(program)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    while True:
        ended, status = os.wait()
        if ended == program:
            os.write(writer, str(status).encode())
            os._exit(0)


def _pass_on(process: int) -> None:
    """Pass the signals that a supervisor sends on to a process."""
    for number in _PASSED:
        signal.signal(number, lambda number, _frame: os.kill(process, number))


def _end_as(status: int) -> NoReturn:
    """End with an exit code, or by a signal, as wait(2) reported of another process."""
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # A signal that ends no process ends this one all the same.
    os._exit(128 + number)

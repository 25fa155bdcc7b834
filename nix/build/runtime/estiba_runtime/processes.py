"""The processes of the service, `[tool.estiba.processes]`, as the image's variable `ESTIBA_PROCESSES` has them."""

from __future__ import annotations

import ctypes
import json
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

from estiba_runtime.failure import EX_CONFIG, StartError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VARIABLE: Final = "ESTIBA_PROCESSES"
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process: `command` with its arguments, whether it is in the table, and what that says, 0 for nothing."""

    command: Sequence[str]
    is_named: bool = False
    ready: Sequence[str] = ()
    concurrency: int = 0
    grace: int = 0
    stop_signal: signal.Signals = signal.SIGTERM


def find(name: str, env: Mapping[str, str]) -> Process:
    """Return a process by its name; one that is not in the table is the command of that name.

    Raises:
        StartError: The table is none.
    """
    try:
        table: dict[str, dict[str, Any]] = json.loads(env.get(VARIABLE) or "{}")
        given = table.get(name, {})
        return Process(
            command=given.get("command") or [name],
            is_named=name in table,
            ready=given.get("ready", ()),
            concurrency=given.get("concurrency", 0),
            grace=given.get("grace", 0),
            stop_signal=signal.Signals[given.get("stop-signal", "SIGTERM")],
        )
    except (ValueError, KeyError, AttributeError) as error:
        message = f"{VARIABLE} is no table of processes: {error}"
        raise StartError(message, EX_CONFIG) from error


def become(command: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Become another program, which keeps process id and signals."""
    os.execve(command[0], [*command], env)  # noqa: S606 - no shell is the point


def run_with_signal(command: Sequence[str], env: Mapping[str, str], ending: signal.Signals) -> int:
    """Run a program that ends properly on another signal than SIGTERM: send that instead. Return its exit code.

    Whatever stops a container or a supervised process sends SIGTERM, whichever signal the program wants.
    """
    parent = os.getpid()
    if not (child := os.fork()):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # A killed parent would leave it behind.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:
            os._exit(1)
        become(command, env)
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.kill(child, ending))
    signal.signal(signal.SIGINT, lambda number, _frame: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code

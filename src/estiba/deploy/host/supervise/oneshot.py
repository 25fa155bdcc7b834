"""One-shot programs in the root file system of a release: migrations, smoke tests, tools of PostgreSQL."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.supervise import starter
from estiba.deploy.target import Finished
from estiba.process import run_interactive, run_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder

_LOG_LIMIT: Final = 2**22
"""Size in bytes above which a log is rotated; one old file is kept."""

_ATTACHED: Final = "attached"
_TERMINAL: Final = "xterm"
"""Kind of terminal that all emulators of today understand."""


def run(
    folder: StateFolder,
    closure: HostClosure,
    name: str,
    describe: Callable[[Path], dict[str, Any]],
    *,
    limit: float,
    stdin: str = "",
    on_output: Callable[[str], None] | None = None,
) -> Finished:
    """Run a program and wait for it; it is killed at its time limit, and when this process dies.

    Args:
        folder: State folder of the target.
        closure: Host closure whose starter is used.
        name: Name of the program's log file.
        describe: Function that returns the program description, given the directory that it is started in.
        limit: Time limit in seconds.
        stdin: Text for the standard input.
        on_output: Callback; called every second with all that the program has said so far.
    """
    output = folder.path / "logs" / f"{name}.log"
    if output.exists() and output.stat().st_size > _LOG_LIMIT:
        output.replace(output.with_suffix(".log.1"))
    before = output.stat().st_size if output.exists() else 0
    with _scratch(folder, name) as directory:
        # `bound` ends the program with this process: a migration must not go on after the lock is gone.
        program = describe(directory)
        folder.own(directory / "tmp", program.get("user"))
        folder.write(directory / "program.json", {**program, "bound": os.getpid()})
        argv = [str(starter.find(folder, closure))]

        def tell() -> None:
            if on_output:
                on_output(_read(output, before))

        code = run_limited(argv, env={}, cwd=directory, output=output, limit=limit, stdin=stdin, poll=tell)
        if code is None:
            # What it was at when it was ended.
            tell()
    return Finished(code=code, output=_read(output, before))


def _read(output: Path, start: int) -> str:
    with output.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def attach(folder: StateFolder, closure: HostClosure, describe: Callable[[Path], dict[str, Any]]) -> int:
    """Run a program on this process's terminal and return its exit code; arguments are those of `run`."""
    with _scratch(folder, _ATTACHED) as directory:
        made = describe(directory)
        folder.own(directory / "tmp", made.get("user"))
        program = {**made, "env": {**made["env"], "TERM": _TERMINAL}, "bound": os.getpid()}
        folder.write(directory / "program.json", program)
        return run_interactive([str(starter.find(folder, closure))], env={}, cwd=directory)


@contextmanager
def _scratch(folder: StateFolder, name: str) -> Iterator[Path]:
    # A folder for each process, since some commands need no lock, such as those of `HostTarget.plan`.
    directory = folder.path / "tasks" / f"{name}-{os.getpid()}"
    for left in directory.parent.glob(f"{name}-*"):
        number = left.name.removeprefix(f"{name}-")
        if number == str(os.getpid()) or (number.isdecimal() and not Path("/proc", number).exists()):
            shutil.rmtree(left, ignore_errors=True)
    folder.open_up(directory)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)

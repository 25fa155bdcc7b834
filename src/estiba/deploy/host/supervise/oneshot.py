"""A program that runs once in a root of a release: a migration, a probe, a tool of the database."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.target import Finished
from estiba.process import run_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder

_LOG_LIMIT: Final = 2**22
"""Bytes from which on a log is put aside, in place of the one before it."""


def run(
    folder: StateFolder,
    closure: HostClosure,
    name: str,
    describe: Callable[[Path], dict[str, Any]],
    *,
    limit: float,
    stdin: str = "",
) -> Finished:
    """Run a program to its end, or to the end of this process.

    Args:
        folder: The target's folder.
        closure: Whose starter it is.
        name: Of the task, for its log.
        describe: Returns the program, given the folder that it is started in.
        limit: Seconds that it may take.
        stdin: Text for its standard input.
    """
    output = folder.path / "logs" / f"{name}.log"
    if output.exists() and output.stat().st_size > _LOG_LIMIT:
        output.replace(output.with_suffix(".log.1"))
    before = output.stat().st_size if output.exists() else 0
    with _place(folder, name) as place:
        folder.write(place / "program.json", {**describe(place), "bound": os.getpid()})
        code = run_limited(
            [str(closure.starter)], env={}, cwd=place, output=output, limit=limit, user=folder.user, stdin=stdin
        )
    with output.open("rb") as file:
        file.seek(before)
        return Finished(code=code, output=file.read().decode(errors="replace"))


@contextmanager
def _place(folder: StateFolder, name: str) -> Iterator[Path]:
    place = folder.path / "tasks" / name
    shutil.rmtree(place, ignore_errors=True)
    folder.own(place)
    folder.own(place / "tmp")
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)

"""A deployment that is killed at a certain step, or whose disk is full then; run as a program of its own."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tests.services.disk import fill

from estiba import config
from estiba.build import release
from estiba.deploy.host.target import HostTarget
from estiba.deploy.targets import load
from estiba.errors import EstibaError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from estiba.process import Completed


def die() -> NoReturn:
    """End this process at once, with nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def main(folder: Path, command: str, moment: str, filling: str = "") -> None:
    """Run a command until its talk, or a command that it runs, says the moment; fill a file's disk then, or die."""

    def happen() -> None:
        if filling:
            fill(Path(filling))
        else:
            die()

    def on_status(line: str) -> None:
        if line == moment:
            happen()

    def runner(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as `run` takes them
        if moment in argv:
            happen()
        return run(argv, **options)

    target = load(folder, "local", config.load())
    assert isinstance(target, HostTarget)
    is_deploy = command == "deploy"
    given = [release.build(folder, target.contents, config.load())] if is_deploy else []
    options = {"contract": True} if is_deploy else {}
    try:
        getattr(replace(target, runner=runner), command)(*given, on_status=on_status, **options)
    except EstibaError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

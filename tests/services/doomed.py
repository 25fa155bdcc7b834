"""A deployment that is killed at a certain step; run as a program of its own, since it does not survive that."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from estiba import config
from estiba.deploy.host import Host
from estiba.deploy.targets import find
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from estiba.process import Completed


def die() -> NoReturn:
    """End this process at once, with nothing cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def main(folder: Path, command: str, moment: str) -> None:
    """Run a command until its talk, or a command that it runs, says the moment."""

    def tell(line: str) -> None:
        if line == moment:
            die()

    def runner(argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as `run` takes them
        if moment in argv:
            die()
        return run(argv, **options)

    target = find(folder, "local", config.load())
    assert isinstance(target, Host)
    getattr(replace(target, runner=runner), command)(tell=tell)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])

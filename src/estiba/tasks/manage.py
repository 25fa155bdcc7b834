"""`invoke manage -- COMMAND`: run a management command of the release that a target serves."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba import config
from estiba.deploy import targets
from estiba.tasks.console import leave, task

if TYPE_CHECKING:
    from invoke import Context

_END: Final = "--"


@task(
    default=True,
    help={
        "target": "Target whose release runs it.",
        "project": "Folder of the service.",
    },
)
def manage(_: Context, *, target: str = "local", project: str = ".") -> None:
    """Run a management command of a target's release: `invoke manage -- shell`.

    What comes after `--` goes to manage.py, with this terminal and the environment of the release. Exits as it does.
    """
    words = sys.argv[sys.argv.index(_END) + 1 :] if _END in sys.argv else []
    # Ctrl-C is for the command, which may be a shell; a handler, since a child would inherit that it is ignored.
    signal.signal(signal.SIGINT, lambda *_: None)
    leave(targets.load(Path(project), target, config.load()).attach(words or ["help"]))

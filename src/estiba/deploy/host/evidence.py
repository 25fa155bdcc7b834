"""Evidence of a failed rollout: the ends of all logs, the access log among them, and the state of the migrations."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.errors import EstibaError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.logbook import Record

# Ctrl-C too, and what nobody has thought of: no half of a rollout is left behind.
FAILURES: Final = (Exception, KeyboardInterrupt)
"""Exceptions that end a rollout."""

STRANDED: Final = (
    "fix the cause and deploy again, or restore a backup of the database from before the migrations; "
    "invoke rollback --contract goes back all the same"
)
"""Hint where a release cannot work with the schema that a failure has left."""

_LINES: Final = 500
_KEEP: Final = 20
_SHOWN: Final = 8


def tell(error: BaseException) -> str:
    """Return the reason of a failure in one message."""
    if isinstance(error, EstibaError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__


def enumerate_some(names: Sequence[str]) -> str:
    """Return names in one line; of very many, as those of a first deployment's migrations, the first and a number."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def keep(processes: Processes, programs: Programs, record: Record) -> Path:
    """Write the evidence to a new folder, remove the oldest ones, and return it.

    Raises:
        OSError: The disk is full; what was written before stays.
    """
    root = processes.folder.path / "evidence"
    directory = root / f"{record.since.replace(':', '')}-{record.number}"
    directory.mkdir(exist_ok=True)
    processes.folder.write(directory / "record.json", record.to_dict())
    for log in sorted((processes.folder.path / "logs").iterdir()):
        file = log / "current" if log.is_dir() else log
        # A link that the loggers' user may have put there is none of the target's logs.
        if file.is_file() and not file.is_symlink():
            lines = files.read(file).splitlines()[-_LINES:]
            (directory / f"{log.name.removesuffix('.log')}.log").write_text("\n".join(lines) + "\n")
    (directory / "migrations.txt").write_text(_list_migrations(processes, programs))
    for old in sorted(root.iterdir())[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return directory


def try_to_keep(processes: Processes, programs: Programs, record: Record) -> str:
    """Write the evidence as `keep` does, and return its folder, or why there is none."""
    try:
        return str(keep(processes, programs, record))
    except Exception as error:  # noqa: BLE001 - the way back is what matters
        return f"none, since {error}"


def _list_migrations(processes: Processes, programs: Programs) -> str:
    limit = processes.settings.ready_limit
    return processes.command(programs, ["manage", "showmigrations"], limit=limit).output

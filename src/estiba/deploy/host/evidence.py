"""Evidence of a failed rollout: the ends of all logs, the access log among them, and the state of the migrations."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from estiba.deploy.host import migrations

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.logbook import Record

_LINES: Final = 500
_KEEP: Final = 20


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
        if file.is_file():
            lines = file.read_text(errors="replace").splitlines()[-_LINES:]
            (directory / f"{log.name.removesuffix('.log')}.log").write_text("\n".join(lines) + "\n")
    (directory / "migrations.txt").write_text(migrations.describe(processes, programs))
    for old in sorted(root.iterdir())[:-_KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return directory

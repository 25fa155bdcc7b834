"""Import path of the tasks: the service's modules come after those that the tasks themselves import.

A `tasks.py` puts its folder first, and an app there may be called `packaging` or `requests`. Nothing but the standard
library is imported here, since all else could already be the service's.
"""

from __future__ import annotations

import sys
from pathlib import Path


def put_service_last(path: list[str], folder: Path, tasks: str = "") -> None:
    """Move the entries of the service to the end of an import path.

    Args:
        path: The import path, which is changed.
        folder: Current folder; entries for it and for the folders that it is in are the service's.
        tasks: File of the service's tasks, whose folder is the service's too.
    """
    here = folder.resolve()
    own = {here, *here.parents, *([Path(tasks).resolve().parent] if tasks else [])}
    last = [entry for entry in path if Path(entry or folder).resolve() in own]
    path[:] = [*(entry for entry in path if entry not in last), *last]


def prepare() -> None:
    """Put the service last on the import path of this process."""
    put_service_last(sys.path, Path.cwd(), str(getattr(sys.modules.get("tasks"), "__file__", "") or ""))

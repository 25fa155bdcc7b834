"""`invoke template.*`: follow the template that a service was made from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from estiba.errors import DriftError
from estiba.process import run
from estiba.scaffold import update as updates
from estiba.tasks.console import console, task

if TYPE_CHECKING:
    from invoke import Context

_PROJECT = "Folder of the service."


@task(help={"project": _PROJECT})
def check(_: Context, *, project: str = ".") -> None:
    """Check that the service follows the template that this Estiba has."""
    updates.check(Path(project))


@task(help={"project": _PROJECT, "json": "Print the result as one JSON object."})
def update(_: Context, *, project: str = ".", json: bool = False) -> None:
    """Merge what has changed in the template into the service.

    Files that both have changed are merged line by line. Conflicts get git's markers, and the exit code is 2 then.
    The service must have no uncommitted changes.
    """
    changes = updates.update(Path(project), run)
    if json:
        console.json({"changes": [{"path": one.path, "kind": str(one.kind)} for one in changes]})
    else:
        console.table(("file", "update"), [(one.path, str(one.kind)) for one in changes])
    conflicts = [one.path for one in changes if one.kind is updates.Kind.CONFLICT]
    if conflicts:
        msg = f"both have changed the same lines of {', '.join(conflicts)}"
        raise DriftError(msg, hint="edit what is between <<<<<<< and >>>>>>>, then git add and commit")

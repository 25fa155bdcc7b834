"""Migrations of a release: applied by one process, within a limit, before the release is served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba.deploy import database
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.machine import Machine
    from estiba.deploy.program import Programs

_APPLIED: Final = re.compile(r"^ *Applying ([\w.]+)\.\.\. OK", re.MULTILINE)
_UNUSABLE: Final = 78
"""The entry point's exit code where the service's settings cannot be used."""

_DENIED: Final = re.compile(r'permission denied to create extension "([^"]+)"')
_LOCK_SECONDS: Final = 10
"""How long a migration may keep everybody else waiting for a table that it cannot have yet."""


def apply(machine: Machine, programs: Programs, note: Callable[[tuple[str, ...]], None]) -> None:
    """Migrate the database.

    Args:
        machine: Where.
        programs: Those of the release.
        note: Gets what was applied, also where a later migration fails.

    Raises:
        TargetError: An extension of the target's settings cannot be created.
        DeployError: A migration failed or took too long; PostgreSQL has taken back the one that it was at.
    """
    database.extend(machine.folder, machine.settings.extensions)
    limit = machine.settings.migrate_limit
    env = {
        "MIGRATE_LOCK_TIMEOUT": str(limit),
        "PGOPTIONS": f"-c lock_timeout={_LOCK_SECONDS}s -c statement_timeout={limit}s",
    }
    ran = machine.command(programs, ["migrate"], limit=limit, env=env)
    note(find_applied(ran.output))
    if ran.has_passed:
        return
    reason = f"ended with {ran.code}" if ran.code is not None else f"did not end within {limit} seconds"
    msg = f"the migrations {reason}:\n{ran.tail()}"
    where = f"[tool.estiba.targets.{machine.settings.name}]"
    hint = f"mend the migration; migrate-limit in {where} allows more time"
    if denied := _DENIED.search(ran.output):
        hint = f'let {where} name it, extensions = ["{denied[1]}"]: it is then created before the migrations'
    if ran.code == _UNUSABLE:
        hint = f"see to the settings; variables that they read belong into env of {where}, secrets into its env-file"
    raise DeployError(msg, hint=hint)


def describe(machine: Machine, programs: Programs) -> str:
    """Return Django's list of migrations, each with whether it is applied."""
    return machine.command(programs, ["manage", "showmigrations"], limit=machine.settings.ready_limit).output


def find_applied(output: str) -> tuple[str, ...]:
    """Return the migrations that Django says it has applied."""
    return tuple(_APPLIED.findall(output))

"""Migrations of a release: judged, then applied by one process, within a limit, before the release is served."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.deploy import database
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.machine import Machine
    from estiba.deploy.program import Programs
    from estiba.deploy.release import Release
    from estiba.deploy.task import Ran

_APPLIED: Final = re.compile(r"^ *Applying ([\w.]+)\.\.\. OK", re.MULTILINE)
_UNUSABLE: Final = 78
"""The entry point's exit code where the service's settings cannot be used."""

_DENIED: Final = re.compile(r'permission denied to create extension "([^"]+)"')
_PENDING: Final = '{"pending": '
_CLASS: Final = b"class Migration"
_LOCK_SECONDS: Final = 10
"""How long a migration may keep everybody else waiting for a table that it cannot have yet."""


def may_differ(before: Release, release: Release) -> bool:
    """Tell whether a release may bring migrations that the one before has not: its own, or a distribution's."""
    return _sources(before) != _sources(release)


def find_contracts(machine: Machine, programs: Programs) -> tuple[str, ...]:
    """Return the migrations to come that the code before could not live with, each as `app.name: reason; reason`.

    Args:
        machine: Where.
        programs: Those of the release that brings them.

    Raises:
        DeployError: The release does not say.
    """
    ran = machine.command(programs, ["pending"], limit=machine.settings.ready_limit)
    answer = next((line for line in ran.output.splitlines() if line.startswith(_PENDING)), "")
    if not ran.has_passed or not answer:
        raise _failure(machine, ran, "what tells the migrations to come", machine.settings.ready_limit)
    pending = json.loads(answer)["pending"]
    return tuple(f"{one['name']}: {'; '.join(one['contracts'])}" for one in pending if one["contracts"])


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
    if not ran.has_passed:
        raise _failure(machine, ran, "the migrations", limit)


def _failure(machine: Machine, ran: Ran, what: str, limit: float) -> DeployError:
    reason = f"ended with {ran.code}" if ran.code is not None else f"did not end within {limit:g} seconds"
    msg = f"{what} {reason}:\n{ran.tail()}"
    where = f"[tool.estiba.targets.{machine.settings.name}]"
    hint = f"mend the migration; migrate-limit in {where} allows more time"
    if denied := _DENIED.search(ran.output):
        hint = f'let {where} name it, extensions = ["{denied[1]}"]: it is then created before the migrations'
    if ran.code == _UNUSABLE:
        hint = f"see to the settings; variables that they read belong into env of {where}, secrets into its env-file"
    return DeployError(msg, hint=hint)


def describe(machine: Machine, programs: Programs) -> str:
    """Return Django's list of migrations, each with whether it is applied."""
    return machine.command(programs, ["manage", "showmigrations"], limit=machine.settings.ready_limit).output


def find_applied(output: str) -> tuple[str, ...]:
    """Return the migrations that Django says it has applied."""
    return tuple(_APPLIED.findall(output))


def _sources(release: Release) -> dict[str, bytes]:
    """Return what a release's migrations are made of, by their places: its own sources, and the path of all others."""
    found = {"/opt/venv": release.app.binds.get("/opt/venv", "").encode()}
    for place, source in release.app.binds.items():
        if f"{place}/".startswith(f"{release.cwd}/"):
            files = Path(source).rglob("*.py")
            found |= {
                f"{place}/{file.relative_to(source)}": text for file in files if _CLASS in (text := file.read_bytes())
            }
    return found

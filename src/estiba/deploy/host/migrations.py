"""Migrations of a release: judged, then applied by one process, within a limit, before the release is served."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.servers import postgresql
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished

_APPLIED: Final = re.compile(r"^ *Applying ([\w.]+)\.\.\. OK", re.MULTILINE)
_UNUSABLE: Final = 78
"""The entry point's exit code where the service's settings cannot be used."""

_DENIED: Final = re.compile(r'permission denied to create extension "([^"]+)"')
_PENDING: Final = '{"pending": '
_CLASS: Final = b"class Migration"
_LOCK_SECONDS: Final = 10
"""How long a migration may keep everybody else waiting for a table that it cannot have yet."""


def may_differ(before: HostClosure, closure: HostClosure) -> bool:
    """Tell whether a release may bring migrations that the one before has not: its own, or a distribution's."""
    return _sources(before) != _sources(closure)


def find_contracts(processes: Processes, programs: Programs) -> tuple[str, ...]:
    """Return the migrations to come that the code before could not live with, each as `app.name: reason; reason`.

    Args:
        processes: Where.
        programs: Those of the release that brings them.

    Raises:
        DeployError: The release does not say.
    """
    ran = processes.command(programs, ["pending"], limit=processes.settings.ready_limit)
    answer = next((line for line in ran.output.splitlines() if line.startswith(_PENDING)), "")
    if not ran.has_passed or not answer:
        raise _failure(processes, ran, "what tells the migrations to come", processes.settings.ready_limit)
    pending = json.loads(answer)["pending"]
    return tuple(f"{one['name']}: {'; '.join(one['contracts'])}" for one in pending if one["contracts"])


def apply(processes: Processes, programs: Programs, note: Callable[[tuple[str, ...]], None]) -> None:
    """Migrate the database.

    Args:
        processes: Where.
        programs: Those of the release.
        note: Gets what was applied, also where a later migration fails.

    Raises:
        TargetError: An extension of the target's settings cannot be created.
        DeployError: A migration failed or took too long; PostgreSQL has taken back the one that it was at.
    """
    postgresql.create_extensions(processes.folder, programs, processes.settings.extensions)
    limit = processes.settings.migrate_limit
    env = {
        "MIGRATE_LOCK_TIMEOUT": str(limit),
        "PGOPTIONS": f"-c lock_timeout={_LOCK_SECONDS}s -c statement_timeout={limit}s",
    }
    ran = processes.command(programs, ["migrate"], limit=limit, env=env)
    note(find_applied(ran.output))
    if not ran.has_passed:
        raise _failure(processes, ran, "the migrations", limit)


def _failure(processes: Processes, ran: Finished, what: str, limit: float) -> DeployError:
    reason = f"ended with {ran.code}" if ran.code is not None else f"did not end within {limit:g} seconds"
    msg = f"{what} {reason}:\n{ran.tail()}"
    where = f"[tool.estiba.targets.{processes.settings.name}]"
    hint = f"mend the migration; migrate-limit in {where} allows more time"
    if denied := _DENIED.search(ran.output):
        hint = f'let {where} name it, extensions = ["{denied[1]}"]: it is then created before the migrations'
    if ran.code == _UNUSABLE:
        hint = f"see to the settings; variables that they read belong into env of {where}, secrets into its env-file"
    return DeployError(msg, hint=hint)


def describe(processes: Processes, programs: Programs) -> str:
    """Return Django's list of migrations, each with whether it is applied."""
    return processes.command(programs, ["manage", "showmigrations"], limit=processes.settings.ready_limit).output


def find_applied(output: str) -> tuple[str, ...]:
    """Return the migrations that Django says it has applied."""
    return tuple(_APPLIED.findall(output))


def _sources(closure: HostClosure) -> dict[str, bytes]:
    """Return what a release's migrations are made of, by their places: its own sources, and the path of all others."""
    found = {"/opt/venv": closure.app.binds.get("/opt/venv", "").encode()}
    for place, source in closure.app.binds.items():
        if f"{place}/".startswith(f"{closure.cwd}/"):
            files = Path(source).rglob("*.py")
            found |= {
                f"{place}/{file.relative_to(source)}": text for file in files if _CLASS in (text := file.read_bytes())
            }
    return found

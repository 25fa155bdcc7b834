"""Migrations of a release: checked for contracting operations, then applied with time limits before the switch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.servers import postgresql
from estiba.deploy.target import PlannedMigration
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished

_APPLIED: Final = re.compile(r"^ *Applying ([\w.]+)\.\.\. OK", re.MULTILINE)
_UNUSABLE: Final = 78
"""Exit code of the entry point for unusable settings (`EX_CONFIG` of sysexits.h)."""

_DENIED: Final = re.compile(r'permission denied to create extension "([^"]+)"')
_PENDING: Final = '{"pending": '
"""Start of the output line with the entry point's answer; Django and the settings may print others."""

_CLASS: Final = b"class Migration"
_LOCK_SECONDS: Final = 10
"""`lock_timeout` of migrations in seconds: while one waits for a table lock, all later queries queue behind it."""


def may_differ(before: HostClosure, closure: HostClosure) -> bool:
    """Return whether a release may have migrations that the previous one has not, its own or a distribution's.

    Equal sources spare the start of Django that `find_pending` needs.
    """
    return _sources(before) != _sources(closure)


def find_pending(processes: Processes, programs: Programs, *, name: str = "") -> tuple[PlannedMigration, ...]:
    """Return the migrations that the database lacks, in their order.

    Args:
        processes: Processes of the target.
        programs: Programs of the release that has the migrations.
        name: Name of the log, as for `Processes.command`.

    Raises:
        DeployError: The entry point's `pending` command failed.
    """
    ran = processes.command(programs, ["pending"], limit=processes.settings.ready_limit, name=name)
    answer = next((line for line in ran.output.splitlines() if line.startswith(_PENDING)), "")
    if not ran.has_passed or not answer:
        raise _failure(processes, ran, "the list of pending migrations", processes.settings.ready_limit)
    pending = json.loads(answer)["pending"]
    return tuple(
        PlannedMigration(
            name=one["name"],
            contracts=tuple(one["contracts"]),
            # The entry point of an earlier release does not say it.
            irreversible=tuple(one.get("irreversible", ())),
        )
        for one in pending
    )


def apply(processes: Processes, programs: Programs, note: Callable[[tuple[str, ...]], None]) -> None:
    """Apply the pending migrations.

    Args:
        processes: Processes of the target.
        programs: Programs of the release.
        note: Callback; called once with the applied migrations, as `app.name`, before a failure is raised.

    Raises:
        TargetError: An extension of the target's settings cannot be created.
        DeployError: A migration failed or exceeded its time limit; PostgreSQL has rolled that one back.
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
    hint = f"migrate-limit in {where} allows more time" if ran.code is None else "fix what it reports, and deploy again"
    if denied := _DENIED.search(ran.output):
        hint = f'set extensions = ["{denied[1]}"] in {where}: it is then created before the migrations'
    if ran.code == _UNUSABLE:
        hint = f"check the settings; variables that they read belong in env of {where}, secrets in its env-file"
    return DeployError(msg, hint=hint)


def describe(processes: Processes, programs: Programs) -> str:
    """Return the output of `manage.py showmigrations`."""
    return processes.command(programs, ["manage", "showmigrations"], limit=processes.settings.ready_limit).output


def find_applied(output: str) -> tuple[str, ...]:
    """Return the migrations that the output of `manage.py migrate` reports as applied, as `app.name`."""
    return tuple(_APPLIED.findall(output))


def _sources(closure: HostClosure) -> dict[str, bytes]:
    """Return the sources of a release's migrations: files of its own by path, store path of the virtual environment."""
    # By content: the store path of the service's own files changes with every commit.
    found = {"/opt/venv": closure.app.binds.get("/opt/venv", "").encode()}
    for mount_point, source in closure.app.binds.items():
        if f"{mount_point}/".startswith(f"{closure.cwd}/"):
            files = Path(source).rglob("*.py")
            found |= {
                f"{mount_point}/{file.relative_to(source)}": text
                for file in files
                if _CLASS in (text := file.read_bytes())
            }
    return found

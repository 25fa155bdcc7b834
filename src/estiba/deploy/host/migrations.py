"""Migrations of a release: checked for contracting operations, then applied with time limits before the switch."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy import log_lines
from estiba.deploy.host.evidence import FAILURES, tell
from estiba.deploy.host.servers import postgresql
from estiba.deploy.migration_progress import MigrationProgress
from estiba.deploy.target import PlannedMigration
from estiba.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished
    from estiba.release_manifest import Migrations

_INDENT: Final = "\n    "
_UNUSABLE: Final = 78
"""Exit code of the entry point for unusable settings (`EX_CONFIG` of sysexits.h)."""

_NOT_UPLOADED: Final = 74
"""Exit code of the entry point's `migrate` where static files could not be uploaded (`EX_IOERR`)."""

_NO_ROOT: Final = 71
"""Exit code of the starter where the root file system cannot be put together (`EX_OSERR`)."""

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
    pending = _ask(processes, programs, name=name)["pending"]
    return tuple(
        PlannedMigration(
            name=one["name"],
            contracts=tuple(one["contracts"]),
            # The entry point of an earlier release does not say it.
            irreversible=tuple(one.get("irreversible", ())),
        )
        for one in pending
    )


def list_contracts(processes: Processes, programs: Programs) -> tuple[str, ...]:
    """Return those of the pending migrations that the release before cannot live with, as `app.name: reason; reason`.

    Raises:
        DeployError: As for `find_pending`.
    """
    pending = find_pending(processes, programs)
    return tuple(f"{one.name}: {'; '.join(one.contracts)}" for one in pending if one.contracts)


def apply(
    processes: Processes,
    programs: Programs,
    note: Callable[[tuple[str, ...]], None],
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Apply the pending migrations.

    Args:
        processes: Processes of the target.
        programs: Programs of the release.
        note: Callback; called once with the applied migrations, as `app.name`, before a failure is raised.
        tell: Callback for progress.

    Raises:
        TargetError: An extension of the target's settings cannot be created.
        DeployError: A migration failed or exceeded its time limit; PostgreSQL has rolled that one back.
    """
    postgresql.create_extensions(processes.folder, programs, processes.settings.extensions)
    ran = _migrate(processes, programs, on_output=MigrationProgress(on_status=tell).read)
    note(log_lines.find_applied(ran.output))
    if not ran.has_passed:
        raise _failure(processes, ran, "the migrations", processes.settings.migrate_limit)


def take_back(
    processes: Processes,
    programs: Programs,
    names: Collection[str],
    note: Callable[[tuple[str, ...]], None],
    *,
    known: Migrations,
    kept: Migrations | None,
) -> None:
    """Take migrations back with the release that brought them; none of them if one cannot be.

    Args:
        processes: Processes of the target.
        programs: Programs of that release.
        names: The migrations, as `app.name`.
        note: Callback; called once for each app with the migrations that were taken back, as `app.name`.
        known: Migrations of that release.
        kept: Migrations of the release that is served afterwards; None where nobody knows them.

    Raises:
        DeployError: One of the migrations cannot be taken back, or failed to be; the message names it.
    """
    targets, gone = _choose_way(processes, programs, names, known=known, kept=kept)
    lost = [f"{one['name']}: {'; '.join(one['irreversible'])}" for one in gone if one["irreversible"]]
    if lost:
        msg = f"these migrations cannot be taken back:{''.join(f'{_INDENT}{one}' for one in lost)}"
        raise DeployError(msg)
    for target in targets:
        ran = _migrate(processes, programs, *target)
        note(log_lines.find_unapplied(ran.output))
        if not ran.has_passed:
            what = f"the way back to migration {'.'.join(target)}"
            raise _failure(processes, ran, what, processes.settings.migrate_limit)


def _choose_way(
    processes: Processes, programs: Programs, names: Collection[str], *, known: Migrations, kept: Migrations | None
) -> tuple[tuple[tuple[str, str], ...], list[dict[str, Any]]]:
    """Return what to pass to `migrate`, and what that takes back, as the entry point says.

    Where branches were merged, what is listed after a migration need not depend on it: a way that leaves one of the
    migrations applied, or takes back what the other release has too, is none.

    Raises:
        DeployError: There is no way.
    """
    ways = [plan_reversal(known, names), *([plan_reversal(known, names, kept.heads)] if kept else [])]
    problem = ""
    for targets in dict.fromkeys(ways):
        answer = _ask(processes, programs, [word for target in targets for word in target])
        if "reversed" not in answer:
            msg = "the entry point of the release cannot tell what would be taken back"
            raise DeployError(msg)
        gone = {one["name"] for one in answer["reversed"]}
        if extra := gone & set(kept.names if kept else ()):
            problem = f"the other release needs {', '.join(sorted(extra))}, which would be taken back with them"
        elif (left := set(names) - gone) and (left := left - {one.name for one in find_pending(processes, programs)}):
            problem = f"{', '.join(sorted(left))} would stay, on a branch of its own"
        else:
            return targets, answer["reversed"]
    msg = f"`migrate` cannot take back the migrations alone: {problem}"
    raise DeployError(msg)


def try_take_back(
    processes: Processes,
    programs: Programs,
    contracts: Sequence[str],
    note: Callable[[tuple[str, ...]], None],
    *,
    served: Path,
) -> str:
    """Take migrations back as `take_back` does, and return why that failed, or an empty string.

    Args:
        processes: Processes of the target.
        programs: Programs of the release that brought them.
        contracts: The migrations, as `app.name: reason; reason`.
        note: Callback, as for `take_back`.
        served: Host closure of the release that is served afterwards.
    """
    releases = processes.revisions.releases
    manifest, other = releases.load(programs.closure.path).manifest, releases.load(served).manifest
    if manifest is None:
        return f"there is no manifest of {programs.closure.version}, which would tell their order"
    names = [one.partition(":")[0] for one in contracts]
    kept = other.migrations if other else None
    try:
        take_back(processes, programs, names, note, known=manifest.migrations, kept=kept)
    except FAILURES as error:
        return tell(error)
    return ""


def try_apply(processes: Processes, programs: Programs, note: Callable[[tuple[str, ...]], None]) -> str:
    """Apply the pending migrations as `apply` does, and return why that failed, or an empty string."""
    try:
        apply(processes, programs, note)
    except FAILURES as error:
        return tell(error)
    return ""


def plan_reversal(
    known: Migrations, names: Collection[str], heads: Mapping[str, Sequence[str]] | None = None
) -> tuple[tuple[str, str], ...]:
    """Return what to pass to `migrate`, so that some migrations are taken back, and what depends on them.

    Args:
        known: Migrations of the release that brought them.
        names: Migrations to take back, as `app.name`.
        heads: Names of the migrations to return to, by app label; by default the last one before those.

    Returns:
        App labels, each with the name of a migration, or `zero`; last ones first.
    """
    last: dict[str, str] = {}
    targets: dict[str, str] = {}
    for one in known.names:
        app, _, name = one.partition(".")
        if one in names:
            wanted = next(iter(heads.get(app, ())), "zero") if heads is not None else last.get(app, "zero")
            targets.setdefault(app, wanted)
        last[app] = name
    return tuple(reversed(targets.items()))


def _migrate(
    processes: Processes, programs: Programs, *target: str, on_output: Callable[[str], None] | None = None
) -> Finished:
    limit = processes.settings.migrate_limit
    env = {
        "MIGRATE_LOCK_TIMEOUT": str(limit),
        "PGOPTIONS": f"-c lock_timeout={_LOCK_SECONDS}s -c statement_timeout={limit}s",
    }
    return processes.command(programs, ["migrate", *target], limit=limit, env=env, on_output=on_output)


def _ask(processes: Processes, programs: Programs, words: Sequence[str] = (), name: str = "") -> dict[str, Any]:
    """Return the answer of the entry point's `pending` command.

    Raises:
        DeployError: The command failed.
    """
    limit = processes.settings.ready_limit
    ran = processes.command(programs, ["pending", *words], limit=limit, name=name)
    line = next((line for line in ran.output.splitlines() if line.startswith(_PENDING)), "")
    if not ran.has_passed or not line:
        raise _failure(processes, ran, "the list of pending migrations", limit)
    answer: dict[str, Any] = json.loads(line)
    return answer


def _failure(processes: Processes, ran: Finished, what: str, limit: float) -> DeployError:
    reason = f"ended with {ran.code}" if ran.code is not None else f"did not end within {limit:g} seconds"
    msg = f"{what} {reason}:\n{ran.tail()}"
    where = f"[tool.estiba.targets.{processes.settings.name}]"
    hint = f"migrate-limit in {where} allows more time" if ran.code is None else "fix what it reports, and deploy again"
    if denied := _DENIED.search(ran.output):
        hint = f'set extensions = ["{denied[1]}"] in {where}: it is then created before the migrations'
    if ran.code == _NO_ROOT:
        msg = f"the release cannot be started here:\n{ran.tail()}"
        hint = "no migration was begun; the line above names the folder that cannot be mounted"
    if ran.code == _NOT_UPLOADED:
        msg = f"static files could not be uploaded:\n{ran.tail()}"
        hint = f"check that their storage can be reached; what it needs belongs in env and env-file of {where}"
    if ran.code == _UNUSABLE:
        hint = f"check the settings; variables that they read belong in env of {where}, secrets in its env-file"
    return DeployError(msg, hint=hint)


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

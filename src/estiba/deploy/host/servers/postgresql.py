"""PostgreSQL of a target: data folder, readiness, and statements of the superuser, by the programs of the release."""

from __future__ import annotations

import functools
import shutil
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.state import users
from estiba.deploy.host.supervise import oneshot
from estiba.deploy.host.supervise.program import HBA, POSTGRESQL_DATA
from estiba.errors import DeployError, TargetError
from estiba.service.variables import DATABASE, POSTGRESQL_FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.target import Finished

_SUPERUSER: Final = "postgres"
_PASSWORD: Final = "POSTGRESQL_PASSWORD"  # noqa: S105 - its name
"""Name of the superuser's password among the secrets of the target."""

# The service's role needs no password: only its processes get to the socket, by the modes of its folder. They cannot
# become the superuser, who could run programs (COPY … FROM PROGRAM).
_HBA: Final = f"local all {_SUPERUSER} scram-sha-256\nlocal {DATABASE} {DATABASE} trust\n"
_HBA_FILE: Final = f"settings/postgresql/{HBA}"
# With -j, `postgres --single` takes a semicolon and an empty line for the end of a statement; CREATE DATABASE has to be
# one of its own.
_SQL: Final = f"CREATE ROLE {DATABASE} LOGIN;\n\nCREATE DATABASE {DATABASE} OWNER {DATABASE};\n\n"
# `_HBA` counts, and not what initdb writes.
_INITDB: Final = ("--auth=trust", "--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions")
_LIMIT: Final = 120.0
_ANSWER_LIMIT: Final = 5.0
_SOCKET: Final = "run/postgresql/.s.PGSQL.5432"


def check(folder: StateFolder, closure: HostClosure) -> None:
    """Check that PostgreSQL of a release can read the data of the target.

    Raises:
        TargetError: The data was written by another major version.
    """
    file = folder.path / "data" / "postgresql" / "PG_VERSION"
    found = (folder.read_text(file) or closure.postgresql).strip()
    if found != closure.postgresql:
        msg = (
            f"{file.parent} holds data of PostgreSQL {found}, and this release brings PostgreSQL {closure.postgresql}, "
            "which cannot read it; nothing was touched"
        )
        hint = f"go back to the Python version that brings PostgreSQL {found}, dump there, and restore in a new folder"
        raise TargetError(msg, hint=hint)


def initialise(folder: StateFolder, programs: Programs) -> None:
    """Create the data folder with the service's role and database, unless it exists.

    It is created under another name and renamed, so an interrupted run leaves no half of one.

    Raises:
        DeployError: `initdb` or `postgres --single` failed.
    """
    data = folder.path / "data" / "postgresql"
    if data.exists():
        return
    made = data.with_name("postgresql.new")
    shutil.rmtree(made, ignore_errors=True)
    folder.own(made, folder.user(users.POSTGRESQL))
    steps = (
        ([f"{programs.bin}/initdb", "--pgdata", POSTGRESQL_DATA, "--username", _SUPERUSER, *_INITDB], ""),
        (_single(programs), _SQL),
    )
    inside = str(made.relative_to(folder.path))
    for argv, stdin in steps:
        describe = functools.partial(programs.tool, argv=argv, data=inside)
        ran = oneshot.run(folder, programs.closure, "initdb", describe, limit=_LIMIT, stdin=stdin)
        # `postgres --single` exits with 0 after a failed statement.
        if not ran.has_passed or "ERROR" in ran.output:
            msg = f"the database cannot be created:\n{ran.tail()}"
            raise DeployError(msg)
    made.rename(data)


def secure(folder: StateFolder, programs: Programs, *, is_up: bool) -> None:
    """Give the superuser a password, and have PostgreSQL ask for it from its next start on; once for each target.

    Args:
        folder: State folder of the target.
        programs: Programs of the release.
        is_up: Whether PostgreSQL runs, then as configured by an earlier version.

    Raises:
        DeployError: PostgreSQL did not take the password.
    """
    file = folder.path / _HBA_FILE
    if file.exists():
        folder.write_text(file, _HBA, mode=0o640, group=users.POSTGRESQL)
        return
    statement = f"ALTER ROLE {_SUPERUSER} PASSWORD '{folder.secret(_PASSWORD)}'"
    if is_up:
        ran = _order(folder, programs, _SUPERUSER, statement)
    else:
        describe = functools.partial(programs.tool, argv=_single(programs), data="data/postgresql")
        ran = oneshot.run(folder, programs.closure, "initdb", describe, limit=_LIMIT, stdin=f"{statement};\n\n")
    if not ran.has_passed or "ERROR" in ran.output:
        msg = f"the superuser of the database gets no password:\n{ran.tail()}"
        raise DeployError(msg)
    # Last, since it says that all is done.
    folder.write_text(file, _HBA, mode=0o640, group=users.POSTGRESQL)


def _single(programs: Programs) -> list[str]:
    """Return the command line of PostgreSQL without a server, which reads statements from its standard input."""
    return [f"{programs.bin}/postgres", "--single", "-j", "-D", POSTGRESQL_DATA, _SUPERUSER]


def is_ready(folder: StateFolder, programs: Programs) -> bool:
    """Return whether PostgreSQL accepts connections, which it does not while it starts up or recovers."""
    # Polled every few hundredths of a second: before the socket exists, no process is started for the answer.
    if not (folder.path / _SOCKET).exists():
        return False
    argv = ["pg_isready", "--quiet", "--host", POSTGRESQL_FOLDER, "--dbname", DATABASE, "--username", DATABASE]
    describe = functools.partial(programs.client, argv=argv, env={})
    return oneshot.run(folder, programs.closure, "pg_isready", describe, limit=_ANSWER_LIMIT).has_passed


def checkpoint(folder: StateFolder, programs: Programs) -> None:
    """Run CHECKPOINT while clients are still served, which shortens the shutdown that follows; failure is ignored."""
    _order(folder, programs, _SUPERUSER, "CHECKPOINT")


def create_extensions(folder: StateFolder, programs: Programs, names: Sequence[str]) -> None:
    """Create extensions as the superuser, in the service's database.

    Args:
        folder: State folder of the target.
        programs: Programs of the release.
        names: Names of the extensions.

    Raises:
        TargetError: PostgreSQL has no such extension, or does not answer.
    """
    for name in names:
        ran = _order(folder, programs, DATABASE, f'CREATE EXTENSION IF NOT EXISTS "{name}"')
        if not ran.has_passed:
            msg = f"the extension {name} cannot be created: {find_reason(ran)}"
            hint = (
                "name only extensions that Debian's package of PostgreSQL brings in extensions of the target's settings"
            )
            raise TargetError(msg, hint=hint)


def find_reason(ran: Finished) -> str:
    """Return the error message in the output of psql, or all of its output."""
    for line in ran.output.splitlines():
        for word in ("ERROR:", "FATAL:", "error:"):
            if word in line:
                return line.rpartition(word)[2].strip()
    return ran.tail().strip() or (f"no answer in {_LIMIT:g} s" if ran.code is None else f"psql exited with {ran.code}")


def _order(folder: StateFolder, programs: Programs, database: str, statement: str) -> Finished:
    """Execute a statement in a database as the superuser."""
    argv = ["psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host", POSTGRESQL_FOLDER]
    argv += ["--username", _SUPERUSER, "--dbname", database]
    # By neither argument nor log, since a statement may hold a password.
    describe = functools.partial(programs.client, argv=argv, env={"PGPASSWORD": folder.secret(_PASSWORD)})
    return oneshot.run(folder, programs.closure, "psql", describe, limit=_LIMIT, stdin=f"{statement};\n")

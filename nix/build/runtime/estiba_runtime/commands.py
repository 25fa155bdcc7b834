"""The commands of the image, and what each of them becomes.

There is no shell in between: every command ends in `exec`, so gunicorn or the RQ worker has the process id and gets the
signals that the container engine sends. `migrate` stays, because its lock lives as long as its connection, and so does
what stands before a process with a signal of its own.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from estiba_runtime import databases, migrations, processes, servers, uploads
from estiba_runtime.failure import EX_CONFIG, EX_IOERR, EX_USAGE, StartError, parse_number, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from types import FrameType

USAGE: Final = """\
usage: COMMAND [ARGUMENT...]

  NAME       a process of [tool.estiba.processes], with further arguments
  ready      check of a process NAME, as its table says
  web        gunicorn for ESTIBA_WSGI; arguments go to gunicorn
  worker     RQ worker; arguments are those of rqworker, by default the queues in RQ_QUEUES
  scheduler  RQ scheduler: rqcron with RQ_CRON or an argument, else rqscheduler, else rqworker --with-scheduler
  migrate    manage.py migrate, then createcachetable where a cache is in a database, then upload, one at a time on
             PostgreSQL while the others wait; a way back, as `APP NAME`, is refused if it meets a migration that cannot
             be taken back
  upload     manage.py collectstatic where the storage of static files is on another machine
  pending    the migrations that the database lacks, as JSON, why the release before could not live with them, and why
             they cannot be taken back; for each `APP NAME`, those that `migrate APP NAME` would take back
  page       whether the service has a page PATH, as exit code 0 or 1
  manage     manage.py with the arguments

seconds: DB_WAIT_TIMEOUT (60, 0 does not wait), MIGRATE_LOCK_TIMEOUT (600)
web: PORT (8000), WEB_CONCURRENCY (from the CPUs), GUNICORN_THREADS (4), GUNICORN_CMD_ARGS
others: any program of the image with its arguments, in ESTIBA_PROCESSES alone"""

_NO_CHANGE: Final = frozenset({"--check", "--fake", "--plan"})
"""Options with which `manage.py migrate` leaves the schema as it is."""

_TARGET_WORDS: Final = 2
_WITH_VALUE: Final = frozenset({"--database", "--pythonpath", "--settings", "--verbosity", "-v"})
"""Options of `manage.py migrate` that are followed by a value."""

_WEB: Final = "gunicorn"
"""What `web` is where the table says nothing else."""

_DB_WAIT: Final = 60.0
_LOCK_WAIT: Final = 600.0
_KEEPALIVE: Final = 15.0


def main(argv: Sequence[str], env: MutableMapping[str, str]) -> int:
    """Run the command in `argv`; return only when it could not start, or when it was `migrate`."""
    # A first process has no default action for signals, so without these it could not be stopped while it waits.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        prepare(env)
        return _dispatch(argv, env)
    except StartError as error:
        say(str(error))
        return error.code


def prepare(env: MutableMapping[str, str]) -> None:
    """Set what programs need under a read-only root: a temporary folder, a home, and the service on the import path.

    An engine may give neither a writable `/tmp` nor a home to a numeric user; `/dev/shm` is there in all of them.
    """
    if "TMPDIR" not in env and not servers.is_writable(servers.TMP) and servers.is_writable(servers.SHM):
        env["TMPDIR"] = servers.SHM
    if not servers.is_writable(env.get("HOME", "")):
        env["HOME"] = env.get("TMPDIR") or servers.TMP
    # The folder of manage.py first, as manage.py itself has it; programs that are run as modules want the other, too.
    folders = dict.fromkeys([str(_manage_file(env).absolute().parent), str(Path.cwd())])
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [*folders, env.get("PYTHONPATH", "")]))
    sys.path[:0] = folders


def worker_command(arguments: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return django-rq's command line; without arguments, `RQ_QUEUES` names the queues."""
    return manage_command(env, "rqworker", *(arguments or _queues(env)))


def scheduler_command(arguments: Sequence[str], env: Mapping[str, str], *, has: Callable[[str], bool]) -> list[str]:
    """Return the command line of the scheduler that the configuration asks for and the environment offers.

    Args:
        arguments: For the scheduler; where the first is no option, it is the file or module of cron jobs.
        env: `RQ_CRON` may name that file or module, `RQ_QUEUES` the queues.
        has: Tells whether a management command of django-rq can run; see `has_scheduler`.

    Raises:
        StartError: Cron jobs are asked for, and this django-rq cannot run them.
    """
    cron = [env["RQ_CRON"]] if env.get("RQ_CRON") and not arguments else []
    if cron or (arguments and not arguments[0].startswith("-")):
        if not has("rqcron"):
            message = "the installed django-rq has no rqcron command: upgrade django-rq, or unset RQ_CRON"
            raise StartError(message, EX_CONFIG)
        return manage_command(env, "rqcron", *cron, *arguments)
    if has("rqscheduler"):
        return manage_command(env, "rqscheduler", *arguments)
    return manage_command(env, "rqworker", "--with-scheduler", *arguments, *_queues(env))


def has_scheduler(command: str) -> bool:
    """Tell whether django-rq has a management command and what it needs, without importing it."""
    package = importlib.util.find_spec("django_rq")
    places = package.submodule_search_locations if package else None
    if not places or not Path(places[0], "management", "commands", f"{command}.py").exists():
        return False
    return command != "rqscheduler" or importlib.util.find_spec("rq_scheduler") is not None


def manage_command(env: Mapping[str, str], *arguments: str) -> list[str]:
    """Return the command line of the service's `manage.py`, whose place is in `ESTIBA_MANAGE`."""
    return [sys.executable, str(_manage_file(env)), *arguments]


def migrate(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run `manage.py migrate` and return its exit code; on PostgreSQL one process at a time runs it.

    Then make the tables of caches in databases, which no migration makes, and upload static files, where the schema is
    to be the newest.

    Raises:
        StartError: Another process held the lock for longer than `MIGRATE_LOCK_TIMEOUT` seconds, the database would be
            lost with this process, or a migration that is to be taken back cannot be.
    """
    command = manage_command(env, "migrate", "--noinput", *arguments)
    alias = _database(arguments)
    databases.refuse_loss(alias)
    with databases.migration_lock(alias, parse_number(env, "MIGRATE_LOCK_TIMEOUT", _LOCK_WAIT)) as keep:
        words = _words(arguments)
        is_change = not _NO_CHANGE.intersection(arguments)
        if len(words) == _TARGET_WORDS and is_change:
            migrations.refuse_irreversible(alias, *words)
        code = _run_child(command, env, keep or (lambda: None))
        if code == 0 and is_change and not words and databases.has_cache():
            # What is there stays; without the option it would say so for each table at each release.
            tables = manage_command(env, "createcachetable", "--database", alias, "--verbosity", "0")
            code = _run_child(tables, env, keep or (lambda: None))
        if code == 0 and is_change and not words and alias == "default":
            code = upload(env, keep or (lambda: None))
        return code


def upload(env: Mapping[str, str], keep: Callable[[], None] = lambda: None) -> int:
    """Bring static files to a storage on another machine, and return 0, or `EX_IOERR` if that fails.

    Raises:
        StartError: The storage cannot be imported.
    """
    storage = uploads.find_storage() if env.get("ESTIBA_STATIC") != "0" else ""
    if not storage:
        return 0
    say(f"uploading static files by {storage}")
    code = _run_child(manage_command(env, "collectstatic", "--noinput"), env, keep)
    if code:
        say(f"static files could not be uploaded: collectstatic ended with {code}")
    return EX_IOERR if code else 0


def list_pending(arguments: Sequence[str]) -> int:
    """Print what `migrate` would apply, or take back for each `APP NAME`, in one line of JSON, and return 0.

    Raises:
        StartError: An app has no name of a migration beside it, or there is none of that name.
    """
    alias, words = _database(arguments), _words(arguments)
    if len(words) % 2:
        message = f"{words[-1]} has no name of a migration beside it"
        raise StartError(message, EX_USAGE)
    found: dict[str, list[dict[str, Any]]] = {"pending": [] if words else migrations.pending(alias)}
    if words:
        found["reversed"] = migrations.reversed_by(alias, list(zip(words[::2], words[1::2], strict=True)))
    sys.stdout.write(json.dumps(found, sort_keys=True) + "\n")
    return 0


def find_page(path: str) -> int:
    """Return 0 if the service's addresses have a path, else 1; a page that is there may fail all the same.

    Raises:
        StartError: The settings or the apps cannot be loaded.
    """
    databases.open_django("default")
    urls = importlib.import_module("django.urls")
    try:
        urls.resolve(path)
    except urls.Resolver404:
        return 1
    return 0


def process_command(argv: Sequence[str], process: processes.Process, env: MutableMapping[str, str]) -> list[str]:
    """Return the command line of a process.

    Args:
        argv: Its command, followed by further arguments.
        process: What the table says of it.
        env: Environment of the process, which gets defaults.

    Raises:
        StartError: There is no such command, or it cannot be started like this.
    """
    name, *arguments = argv
    if process.concurrency and name in {"web", *servers.SERVERS}:
        env.setdefault("WEB_CONCURRENCY", str(process.concurrency))
    if name == "web" or name in servers.SERVERS:
        return servers.SERVERS[_WEB if name == "web" else name](arguments, env, process.grace)
    match name:
        case "celery":
            return servers.celery(arguments, env, process.concurrency)
        case "worker":
            return worker_command(arguments, env)
        case "scheduler":
            return scheduler_command(arguments, env, has=has_scheduler)
        case "manage":
            return manage_command(env, *arguments)
        case _ if process.is_named and (found := shutil.which(name, path=env.get("PATH"))):
            return [found, *arguments]
        case _:
            message = f"unknown command: {name}\n{USAGE}"
            raise StartError(message, EX_USAGE)


def _dispatch(argv: Sequence[str], env: MutableMapping[str, str]) -> int:
    match list(argv):
        case ["migrate", *arguments]:
            _wait(env)
            return migrate(arguments, env)
        case ["upload"]:
            databases.open_django("default")
            return upload(env)
        case ["pending", *arguments]:
            _wait(env)
            return list_pending(arguments)
        case ["manage", *arguments]:
            return _become(manage_command(env, *arguments), env)
        case ["page", path]:
            return find_page(path)
        case ["ready", name] if (process := processes.find(name, env)).ready and name != "web":
            return _become(process_command(process.ready, process, env), env)
        case [name, *arguments]:
            return _run_process(name, arguments, env)
        case _:
            message = f"no command\n{USAGE}"
            raise StartError(message, EX_USAGE)


def _run_process(name: str, arguments: Sequence[str], env: MutableMapping[str, str]) -> int:
    process = processes.find(name, env)
    command = process_command([*process.command, *arguments], process, env)
    _wait(env)
    if process.stop_signal is not signal.SIGTERM:
        return processes.run_with_signal(command, env, process.stop_signal)
    return _become(command, env)


def _wait(env: Mapping[str, str]) -> None:
    limit = parse_number(env, "DB_WAIT_TIMEOUT", _DB_WAIT)
    if limit > 0:
        databases.wait(limit)


def _become(command: list[str], env: Mapping[str, str]) -> NoReturn:
    sys.stderr.flush()
    processes.become(command, env)


def _run_child(command: Sequence[str], env: Mapping[str, str], keep: Callable[[], None]) -> int:
    """Run a command to its end, handing on the signals that arrive; call `keep` from time to time."""
    with subprocess.Popen(command, env=env) as child:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _frame: child.send_signal(received))
        while True:
            try:
                code = child.wait(_KEEPALIVE)
            except subprocess.TimeoutExpired:
                keep()
            else:
                return code if code >= 0 else 128 - code


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _queues(env: Mapping[str, str]) -> list[str]:
    return env.get("RQ_QUEUES", "").replace(",", " ").split()


def _database(arguments: Sequence[str]) -> str:
    """Return the alias that `migrate` is told to work on."""
    words = [part for word in arguments for part in word.split("=", 1)]
    return words[words.index("--database") + 1] if "--database" in words[:-1] else "default"


def _words(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of `migrate` that are neither options nor their values."""
    before = ["", *arguments]
    return [
        word
        for last, word in zip(before, arguments, strict=False)
        if not word.startswith("-") and last not in _WITH_VALUE
    ]


def _manage_file(env: Mapping[str, str]) -> Path:
    return Path(env.get("ESTIBA_MANAGE") or "manage.py")

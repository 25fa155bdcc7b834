"""The commands of the image, and what each of them becomes.

There is no shell in between: every command ends in `exec`, so gunicorn or the RQ worker has the process id and gets the
signals that the container engine sends. `migrate` alone stays, because its lock lives as long as its connection.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from estiba_runtime import databases, migrations
from estiba_runtime.cpus import count_workers, cpu_limit
from estiba_runtime.failure import EX_CONFIG, EX_USAGE, StartError, parse_number, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence
    from types import FrameType

USAGE: Final = """\
usage: COMMAND [ARGUMENT...]

  web        gunicorn for ESTIBA_WSGI; arguments go to gunicorn
  worker     RQ worker; arguments are those of rqworker, by default the queues in RQ_QUEUES
  scheduler  RQ scheduler: rqcron with RQ_CRON or an argument, else rqscheduler, else rqworker --with-scheduler
  migrate    manage.py migrate, one at a time on PostgreSQL while the others wait; a way back, as `APP NAME`, is refused
             if it meets a migration that cannot be taken back
  pending    the migrations that the database lacks, as JSON, why the release before could not live with them, and why
             they cannot be taken back; for each `APP NAME`, those that `migrate APP NAME` would take back
  manage     manage.py with the arguments

seconds: DB_WAIT_TIMEOUT (60, 0 does not wait), MIGRATE_LOCK_TIMEOUT (600)
web: PORT (8000), WEB_CONCURRENCY (from the CPUs), GUNICORN_THREADS (4), GUNICORN_CMD_ARGS"""

_NO_CHANGE: Final = frozenset({"--check", "--fake", "--plan"})
"""Options with which `manage.py migrate` leaves the schema as it is."""

_TARGET_WORDS: Final = 2
_WITH_VALUE: Final = frozenset({"--database", "--pythonpath", "--settings", "--verbosity", "-v"})
"""Options of `manage.py migrate` that are followed by a value."""

_DB_WAIT: Final = 60.0
_LOCK_WAIT: Final = 600.0
_KEEPALIVE: Final = 15.0
_THREADS: Final = 4
# Below the 30 seconds that engines leave between SIGTERM and SIGKILL.
_GRACEFUL: Final = 25
_TMP: Final = "/tmp"  # noqa: S108 - as below
_SHM: Final = "/dev/shm"  # noqa: S108 - nothing is created under a name that another could guess


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
    if "TMPDIR" not in env and not _is_writable(_TMP) and _is_writable(_SHM):
        env["TMPDIR"] = _SHM
    if not _is_writable(env.get("HOME", "")):
        env["HOME"] = env.get("TMPDIR") or _TMP
    folder = str(_manage_file(env).absolute().parent)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, env.get("PYTHONPATH", "")]))
    sys.path.insert(0, folder)


def web_command(arguments: Sequence[str], env: MutableMapping[str, str]) -> list[str]:
    """Return gunicorn's command line; its defaults go into `env`, so that the service and the operator can change them.

    gunicorn reads, each beating the one before: `PORT` and `WEB_CONCURRENCY`, its configuration file,
    `GUNICORN_CMD_ARGS`, its arguments. Where there is such a file, only the first two are set here.

    Raises:
        StartError: `ESTIBA_WSGI` is not set, or a number is none.
    """
    if not env.get("ESTIBA_WSGI"):
        message = "ESTIBA_WSGI is not set: it names the WSGI application, such as config.wsgi:application"
        raise StartError(message, EX_CONFIG)
    env["PORT"] = env.get("PORT") or "8000"
    env["WEB_CONCURRENCY"] = env.get("WEB_CONCURRENCY") or str(count_workers(cpu_limit()))
    given = env.get("GUNICORN_CMD_ARGS", "")
    if not _has_config([*arguments, *shlex.split(given)]):
        env["GUNICORN_CMD_ARGS"] = shlex.join(_gunicorn_defaults(env)) + f" {given}".rstrip()
    _share_metrics(env)
    return [sys.executable, "-m", "gunicorn", env["ESTIBA_WSGI"], *arguments]


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

    Raises:
        StartError: Another process held the lock for longer than `MIGRATE_LOCK_TIMEOUT` seconds, the database would be
            lost with this process, or a migration that is to be taken back cannot be.
    """
    command = manage_command(env, "migrate", "--noinput", *arguments)
    alias = _database(arguments)
    databases.refuse_loss(alias)
    with databases.migration_lock(alias, parse_number(env, "MIGRATE_LOCK_TIMEOUT", _LOCK_WAIT)) as keep:
        words = _words(arguments)
        if len(words) == _TARGET_WORDS and not _NO_CHANGE.intersection(arguments):
            migrations.refuse_irreversible(alias, *words)
        return _run_child(command, env, keep or (lambda: None))


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


def _dispatch(argv: Sequence[str], env: MutableMapping[str, str]) -> int:
    match list(argv):
        case ["web", *arguments]:
            command = web_command(arguments, env)
        case ["worker", *arguments]:
            command = worker_command(arguments, env)
        case ["scheduler", *arguments]:
            command = scheduler_command(arguments, env, has=has_scheduler)
        case ["migrate", *arguments]:
            _wait(env)
            return migrate(arguments, env)
        case ["pending", *arguments]:
            _wait(env)
            return list_pending(arguments)
        case ["manage", *arguments]:
            return _become(manage_command(env, *arguments), env)
        case _:
            problem = f"unknown command: {argv[0]}" if argv else "no command"
            message = f"{problem}\n{USAGE}"
            raise StartError(message, EX_USAGE)
    _wait(env)
    return _become(command, env)


def _wait(env: Mapping[str, str]) -> None:
    limit = parse_number(env, "DB_WAIT_TIMEOUT", _DB_WAIT)
    if limit > 0:
        databases.wait(limit)


def _become(command: list[str], env: Mapping[str, str]) -> NoReturn:
    sys.stderr.flush()
    os.execve(command[0], command, env)  # noqa: S606 - no shell is the point


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


def _gunicorn_defaults(env: Mapping[str, str]) -> list[str]:
    threads = int(parse_number(env, "GUNICORN_THREADS", _THREADS))
    # The heartbeat file must not be on a disk: where its write blocks, the arbiter kills a healthy worker.
    heartbeat = [f"--worker-tmp-dir={_SHM}"] if _is_writable(_SHM) else []
    return ["--worker-class=gthread", f"--threads={threads}", f"--graceful-timeout={_GRACEFUL}", *heartbeat]


def _share_metrics(env: MutableMapping[str, str]) -> None:
    """Let the workers count in a common folder; else each counts for itself, and a scrape gets the numbers of one."""
    folder = env.get("TMPDIR") or _TMP
    if "PROMETHEUS_MULTIPROC_DIR" not in env and importlib.util.find_spec("prometheus_client") and _is_writable(folder):
        env["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="prometheus-", dir=folder)


def _has_config(words: Sequence[str]) -> bool:
    named = any(word.startswith(("-c", "--config")) for word in words)
    return named or Path("gunicorn.conf.py").exists()


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


def _is_writable(folder: str) -> bool:
    return bool(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)  # noqa: PTH112 - "" is no folder

"""Command lines of the web servers, WSGI and ASGI, and of Celery."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba_runtime.cpus import count_workers, cpu_limit
from estiba_runtime.failure import EX_CONFIG, StartError, parse_number, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, MutableMapping, Sequence

TMP: Final = "/tmp"  # noqa: S108 - as below
SHM: Final = "/dev/shm"  # noqa: S108 - nothing is created under a name that another could guess

_SERVE: Final = Path(__file__).parents[1] / "serve.py"
_METRICS: Final = "estiba-prometheus-"
_METRICS_LOCK: Final = "lock"
_THREADS: Final = 4
# Below the 30 seconds that engines leave between SIGTERM and SIGKILL.
_GRACEFUL: Final = 25
_WITH_NETWORKS: Final = (24, 1)
"""First version of gunicorn that takes networks in `FORWARDED_ALLOW_IPS`."""

_APPLICATION: Final = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_][\w.()]*|([A-Za-z_]\w*\.)*[aw]sgi")
"""An application among the arguments, `module:attribute` or the usual name of its module, and no address."""


def gunicorn(arguments: Sequence[str], env: MutableMapping[str, str], grace: int = 0) -> list[str]:
    """Return gunicorn's command line; its defaults go into `env`, so that the service and the operator can change them.

    gunicorn reads, each beating the one before: `PORT` and `WEB_CONCURRENCY`, its configuration file,
    `GUNICORN_CMD_ARGS`, its arguments. Where there is such a file, only the first two are set here.

    Args:
        arguments: For gunicorn; without an application among them, that of `ESTIBA_WSGI` is served.
        env: Environment of the process.
        grace: Seconds that requests may take after SIGTERM; 0 for the default.

    Raises:
        StartError: No application is known, or a number is none.
    """
    application = _application(arguments, env, "ESTIBA_WSGI", "WSGI")
    _prepare(env)
    _leave_networks_out(env)
    given = env.get("GUNICORN_CMD_ARGS", "")
    if not _has_config([*arguments, *shlex.split(given)]):
        env["GUNICORN_CMD_ARGS"] = shlex.join(_gunicorn_defaults(env, grace)) + f" {given}".rstrip()
    _share_metrics(env)
    return [*_python(), str(_SERVE), "gunicorn", *application, *arguments]


def uvicorn(arguments: Sequence[str], env: MutableMapping[str, str], grace: int = 0) -> list[str]:
    """Return uvicorn's command line, which takes the number of its workers from `WEB_CONCURRENCY`; see `gunicorn`."""
    application = _application(arguments, env, "ESTIBA_ASGI", "ASGI")
    _prepare(env)
    words, socket = _take_socket(arguments)
    if socket:
        # Only the proxy of this target can connect to the socket; its word on who asks is as good as that of a port.
        place = ["--uds", socket, "--forwarded-allow-ips", "*"]
    else:
        place = [*_unless(words, "--host", "0.0.0.0"), *_unless(words, "--port", env["PORT"])]  # noqa: S104 - a container
    limits = _unless(words, "--timeout-graceful-shutdown", str(grace or _GRACEFUL))
    quiet = [] if "--access-log" in words else ["--no-access-log"]
    _enter(env)
    return [*_python(), str(_SERVE), "uvicorn", *application, *words, *place, *limits, *quiet]


def daphne(arguments: Sequence[str], env: MutableMapping[str, str], _grace: int = 0) -> list[str]:
    """Return daphne's command line; see `gunicorn`. It is one process always, and ends at once."""
    application = _application(arguments, env, "ESTIBA_ASGI", "ASGI")
    _prepare(env)
    words, socket = _take_socket(arguments)
    if socket:
        place = ["-u", socket, "--proxy-headers"]
    else:
        place = [*_unless(words, "-b", "0.0.0.0"), *_unless(words, "-p", env["PORT"])]  # noqa: S104 - a container
    quiet = _unless(words, "--access-log", os.devnull)
    _enter(env)
    # It wants the application last.
    named = [word for word in words if _APPLICATION.fullmatch(word)]
    rest = [word for word in words if word not in named]
    return [*_python(), str(_SERVE), "daphne", *rest, *place, *quiet, *(application or named)]


def hypercorn(arguments: Sequence[str], env: MutableMapping[str, str], grace: int = 0) -> list[str]:
    """Return Hypercorn's command line; see `gunicorn`."""
    application = _application(arguments, env, "ESTIBA_ASGI", "ASGI")
    _prepare(env)
    has_place = any(word.split("=")[0] in {"-b", "--bind"} for word in arguments)
    place = [] if has_place else ["--bind", f"0.0.0.0:{env['PORT']}"]
    limits = _unless(arguments, "--graceful-timeout", str(grace or _GRACEFUL))
    workers = _unless(arguments, "--workers", env["WEB_CONCURRENCY"])
    _enter(env)
    return [*_python(), str(_SERVE), "hypercorn", *place, *limits, *workers, *application, *arguments]


SERVERS: Final[Mapping[str, Callable[[Sequence[str], MutableMapping[str, str], int], list[str]]]] = {
    "daphne": daphne,
    "gunicorn": gunicorn,
    "hypercorn": hypercorn,
    "uvicorn": uvicorn,
}
"""Web servers by the first word of a command."""


def celery(arguments: Sequence[str], env: Mapping[str, str], concurrency: int = 0) -> list[str]:
    """Return Celery's command line: with the service's application, and its schedule in a folder that is writable.

    Args:
        arguments: For Celery; without `-A`, the application is `celery.py` in a package of the settings.
        env: Environment of the process.
        concurrency: Number of a worker's processes; 0 leaves it to Celery.
    """
    words = list(arguments)
    named = env.get("APP") or _has_option(words, "-A", "--app")
    found = None if named else _find_celery(env)
    if concurrency and "worker" in words and not _has_option(words, "-c", "--concurrency"):
        words.append(f"--concurrency={concurrency}")
    has_beat = "beat" in words or ("worker" in words and _has_option(words, "-B", "--beat"))
    if has_beat and not _has_option(words, "-s", "--schedule", "--schedule-filename"):
        words.append(f"--schedule={env.get('TMPDIR') or TMP}/celerybeat-schedule")
    _enter(env)
    return [*_python(), "-m", "celery", *(["-A", found] if found else []), *words]


def is_writable(folder: str) -> bool:
    """Tell whether files can be created in a folder."""
    return bool(folder) and os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)  # noqa: PTH112 - "" is no folder


def _python() -> list[str]:
    # Without -P the working directory, or the folder of the script, would come before the folder of manage.py.
    return [sys.executable, "-P"]


def _enter(env: Mapping[str, str]) -> None:
    """Change to the folder of manage.py: all but gunicorn put the working directory before what is on the path."""
    os.chdir(env["PYTHONPATH"].partition(os.pathsep)[0])


def _prepare(env: MutableMapping[str, str]) -> None:
    env["PORT"] = env.get("PORT") or "8000"
    env["WEB_CONCURRENCY"] = env.get("WEB_CONCURRENCY") or str(count_workers(cpu_limit()))


def _application(arguments: Sequence[str], env: Mapping[str, str], name: str, kind: str) -> list[str]:
    """Return the application of the service, or nothing where the arguments name one.

    Raises:
        StartError: Neither do they, nor does the environment.
    """
    if any(_APPLICATION.fullmatch(word) for word in arguments):
        return []
    if not env.get(name):
        message = f"{name} is not set: it names the {kind} application, such as config.{kind.lower()}:application"
        raise StartError(message, EX_CONFIG)
    return [env[name]]


def _take_socket(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return the arguments without `--bind unix:PATH`, which only gunicorn and Hypercorn know, and the path."""
    words = list(arguments)
    for number, word in enumerate(words[:-1]):
        if word == "--bind" and words[number + 1].startswith("unix:"):
            return [*words[:number], *words[number + 2 :]], words[number + 1].removeprefix("unix:")
    return words, ""


def _has_option(words: Sequence[str], *names: str) -> bool:
    return any(word.split("=")[0] in names for word in words)


def _unless(words: Sequence[str], option: str, value: str) -> list[str]:
    """Return an option with its value, or nothing where it is given."""
    return [] if _has_option(words, option) else [option, value]


def _find_celery(env: Mapping[str, str]) -> str | None:
    """Return the nearest package above the settings that has a module `celery`, as Celery's documentation lays it."""
    parts = env.get("DJANGO_SETTINGS_MODULE", "").split(".")
    folder = env.get("PYTHONPATH", "").partition(os.pathsep)[0]
    packages = (parts[:length] for length in range(len(parts) - 1, 0, -1))
    return next((".".join(one) for one in packages if Path(folder, *one, "celery.py").exists()), None)


def _gunicorn_defaults(env: Mapping[str, str], grace: int) -> list[str]:
    threads = int(parse_number(env, "GUNICORN_THREADS", _THREADS))
    # The heartbeat file must not be on a disk: where its write blocks, the arbiter kills a healthy worker.
    heartbeat = [f"--worker-tmp-dir={SHM}"] if is_writable(SHM) else []
    return ["--worker-class=gthread", f"--threads={threads}", f"--graceful-timeout={grace or _GRACEFUL}", *heartbeat]


def _leave_networks_out(env: MutableMapping[str, str]) -> None:
    """Take networks out of `FORWARDED_ALLOW_IPS` for a gunicorn that ends at whatever is no address."""
    words = env.get("FORWARDED_ALLOW_IPS", "").replace(",", " ").split()
    addresses = [word for word in words if "/" not in word]
    if addresses == words or not importlib.util.find_spec("gunicorn"):
        return
    version = importlib.metadata.version("gunicorn")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _WITH_NETWORKS:
        env["FORWARDED_ALLOW_IPS"] = ",".join(addresses)
        say(
            f"gunicorn {version} believes no networks of proxies: update it to 24.1, or have"
            ' SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") in the settings'
        )


def _share_metrics(env: MutableMapping[str, str]) -> None:
    """Let the workers count in a common folder; else each counts for itself, and a scrape gets the numbers of one.

    The folder is in memory where that is possible: its files are mapped, so a full disk would kill the workers.
    """
    if "PROMETHEUS_MULTIPROC_DIR" in env or not importlib.util.find_spec("prometheus_client"):
        return
    place = SHM if is_writable(SHM) else env.get("TMPDIR") or TMP
    if not is_writable(place):
        return
    for left in Path(place).glob(f"{_METRICS}*/{_METRICS_LOCK}"):
        _discard(left)
    folder = tempfile.mkdtemp(prefix=_METRICS, dir=place)
    # Held by all processes of this server until the last one has ended, so that a later one knows what it may remove.
    lock = os.open(f"{folder}/{_METRICS_LOCK}", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    os.set_inheritable(lock, True)  # noqa: FBT003 - its only argument
    env["PROMETHEUS_MULTIPROC_DIR"] = folder


def _discard(lock: Path) -> None:
    """Remove a folder of metrics that nobody uses any more; those of others cannot be opened."""
    with contextlib.suppress(OSError):
        file = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)
        finally:
            os.close(file)


def _has_config(words: Sequence[str]) -> bool:
    named = any(word.startswith(("-c", "--config")) for word in words)
    return named or Path("gunicorn.conf.py").exists()

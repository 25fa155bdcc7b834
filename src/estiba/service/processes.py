"""Processes of a service: `[tool.estiba.processes]`, one table for the image, host targets and the chart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import describe_unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WEB: Final = "web"
"""Name of the process that answers requests, which every service has."""

SERVERS: Final = ("daphne", "gunicorn", "hypercorn", "uvicorn")
"""Programs that the image's entry point can start as web servers; it fills in application and address."""

SIGNALS: Final = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2")

_NAME: Final = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")
"""Names that are also names of Kubernetes objects, as the chart's schema has them."""

_COMMANDS: Final = ("manage", "migrate", "page", "pending", "ready")
"""Commands of the entry point that targets need."""

_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "command": (list, "a list of words such as ['celery', 'worker']"),
    "concurrency": (int, "a whole number above 0"),
    "grace": (int, "a number of seconds above 0"),
    "ready": (object, "a path such as '/readyz' for 'web', or a list of words of a command for others"),
    "singleton": (bool, "true or false"),
    "stop-signal": (str, f"one of {', '.join(SIGNALS)}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Process of a service.

    Attributes:
        name: Name, which is a command of the image's entry point.
        command: Its program with arguments; empty for what the entry point runs under the name.
        concurrency: Number of its workers, or of its instances where the program has no workers; 0 for the default.
        grace: Seconds of work that it may finish after it was asked to end; 0 for the default.
        ready: Path that answers when `web` is ready; empty for the target's.
        ready_command: Command that succeeds when another process is ready, which the entry point runs as `ready NAME`.
        is_singleton: Whether two of it must never run at a time, also while a release replaces another one.
        stop_signal: Signal that asks it to end.
    """

    name: str
    command: tuple[str, ...] = ()
    concurrency: int = 0
    grace: int = 0
    ready: str = ""
    ready_command: tuple[str, ...] = ()
    is_singleton: bool = False
    stop_signal: str = SIGNALS[0]

    @property
    def instances(self) -> int:
        """Number of times that it is started: web servers and Celery's workers have workers of their own."""
        has_workers = self.name == WEB or _is_celery(self.command, "worker")
        return 1 if has_workers else max(self.concurrency, 1)


def parse(table: Mapping[str, Mapping[str, Any]]) -> tuple[Process, ...]:
    """Return the processes of a valid table, `web` first, and none for an empty one; see `check`."""
    if not table:
        return ()
    names = [WEB, *sorted(name for name in table if name != WEB)]
    return tuple(_parse(name, table.get(name, {})) for name in names)


def check(table: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the table `[tool.estiba.processes]`."""
    return [problem for name, given in table.items() for problem in _check(name, given)]


def _parse(name: str, given: Mapping[str, Any]) -> Process:
    command = tuple(given.get("command", ()))
    ready = given.get("ready", "")
    return Process(
        name=name,
        command=command,
        concurrency=given.get("concurrency", 0),
        grace=given.get("grace", 0),
        ready=ready if isinstance(ready, str) else "",
        ready_command=() if isinstance(ready, str) else tuple(ready),
        is_singleton=given.get("singleton", _is_clock(name, command)),
        stop_signal=given.get("stop-signal", SIGNALS[0]),
    )


def _check(name: str, given: object) -> list[str]:
    if not _NAME.fullmatch(name):
        return [f"'processes.{name}' is no name of at most 16 lowercase letters, digits and dashes"]
    if name in _COMMANDS:
        return [f"'processes.{name}' is a command of the image already; choose another name"]
    if not isinstance(given, dict):
        return [f"'processes.{name}' must be a table such as {{command = ['celery', 'worker']}}, not {given!r}"]
    problems = [f"'processes.{name}': {describe_unknown(key, _KEYS)}" for key in given if key not in _KEYS]
    problems += [
        f"'processes.{name}.{key}' must be {_KEYS[key][1]}, not {value!r}"
        for key, value in given.items()
        if key in _KEYS and not _is_valid(name, key, value)
    ]
    return problems or _check_together(_parse(name, given))


def _is_valid(name: str, key: str, value: Any) -> bool:  # noqa: ANN401 - of any type, which is what is checked
    match key:
        case "ready" if name == WEB:
            return isinstance(value, str) and value.startswith("/")
        case "command" | "ready":
            return isinstance(value, list) and bool(value) and all(isinstance(word, str) and word for word in value)
        case "concurrency" | "grace":
            return type(value) is int and value > 0
        case "stop-signal":
            return value in SIGNALS
        case _:
            return type(value) is _KEYS[key][0]


def _check_together(process: Process) -> list[str]:
    where, program = f"'processes.{process.name}", process.command[0] if process.command else process.name
    is_server = program in {WEB, *SERVERS}
    problems = []
    if process.name == WEB and not is_server:
        problems.append(f"{where}.command' starts with {program!r}, not with one of {', '.join(SERVERS)}")
    if process.name != WEB and is_server:
        problems.append(f"{where}.command' starts a web server, which only 'web' can be")
    if process.concurrency > 1 and (process.is_singleton or program == "daphne"):
        problems.append(f"{where}.concurrency' is {process.concurrency}, but there can be only one")
    return problems


def _is_celery(command: Sequence[str], word: str) -> bool:
    return bool(command) and command[0] == "celery" and word in command


def _is_clock(name: str, command: Sequence[str]) -> bool:
    """Tell whether two of a process would do everything twice."""
    has_beat = _is_celery(command, "beat") or (_is_celery(command, "worker") and bool({"-B", "--beat"} & {*command}))
    return has_beat or (command[0] if command else name) == "scheduler"

"""Processes of a project, from its Procfile, as `[tool.estiba.processes]`; there is no shell to run its lines."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError
from estiba.service import django, processes
from estiba.service.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from packaging.requirements import Requirement

    from estiba.scaffold.adopt.evidence import Study
    from estiba.service.project import Project

_FILE: Final = "Procfile"
_LINE: Final = re.compile(r"([A-Za-z0-9_-]+)\s*:\s*(\S.*)")
_STARTED: Final = (*processes.SERVERS, "celery")
"""Programs that the image starts in its own way."""

_OPERATOR: Final = re.compile(r"[;&|<>`]")
_SHELL: Final = re.compile(r"[;&|<>`$]|^[A-Za-z_]\w*=")
"""What only a shell understands: operators, variables, and assignments before a command."""

_ADDRESS: Final = {
    "daphne": ("-b", "--bind", "-p", "--port"),
    "gunicorn": ("-b", "--bind"),
    "hypercorn": ("-b", "--bind"),
    "uvicorn": ("--host", "--port"),
}
"""Options of each web server that say where it listens, which the image decides."""

_WORKERS: Final = ("-w", "--workers")
_TOOLS: Final = frozenset({"bash", "docker", "make", "node", "npm", "npx", "pnpm", "sh", "watchmedo", "yarn"})
"""Programs of development machines, which no image has."""

_LAUNCHERS: Final = (
    ["exec"],
    ["time"],
    *([tool, "run"] for tool in ("hatch", "pdm", "pipenv", "poetry", "rye", "uv")),
)
_PYTHON: Final = re.compile(r"(.*/)?python(3(\.\d+)?)?")

_RELEASE: Final = "release"
_MIGRATE: Final = ["manage", "migrate"]
_FOLDER: Final = 3
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DEFAULTS: Final = {"django-rq": frozenset({"worker", "scheduler"})}
"""Processes that a service without a table has, by the distribution that runs them, as in `nix/lib/processes.nix`."""

_NEEDED: Final = {
    "celery": (r"\bworker\b", "worker", ("celery", "worker")),
    "django-background-tasks": (r"\bprocess_tasks\b", "worker", ("manage", "process_tasks")),
    "django-celery-beat": (r"\bbeat\b|-B\b", "beat", ("celery", "beat")),
    "django-dramatiq": (r"dramatiq", "worker", ("manage", "rundramatiq")),
    "django-q": (r"\bqcluster\b", "worker", ("manage", "qcluster")),
    "django-q2": (r"\bqcluster\b", "worker", ("manage", "qcluster")),
    "huey": (r"huey", "worker", ("manage", "run_huey")),
}
"""Distributions that do nothing without a process: what its command has, a name for it, and a command."""


def find(study: Study, wanted: Sequence[Requirement]) -> None:
    """Choose the processes that the Procfile names, and list its lines that will not run.

    Args:
        study: Findings so far.
        wanted: Requirements of the service.
    """
    table: dict[str, dict[str, Any]] = {}
    for title, name, text in _read(study.folder):
        command, problem = _judge(name, text, study.settings.get("manage", ""))
        if problem:
            study.undecided.append(f"{_FILE} {title}{problem}")
            continue
        if command and (before := _find_wrapper(_split(text, study.settings.get("manage", "")))):
            study.undecided.append(
                f"{_FILE}: {shlex.join(before)!r} before {command[0]} is left out, which the image starts itself: what"
                " it does for the service, such as tracing, has to be done in the code"
            )
        if command and not _is_default(study, name, command):
            table[name] = {"command": command}
    if table and table.keys() != {WEB}:
        listed = ", ".join(sorted({WEB, *table}))
        study.decided.append(f"processes = {listed}: {_FILE} names them")
    if table:
        study.settings["processes"] = table
    study.undecided += _find_workers({one.name.lower() for one in wanted}, (one["command"] for one in table.values()))


def find_idle(project: Project) -> list[str]:
    """Return a sentence about each process that a service seems to count on, and that nothing runs.

    Those are lines of its Procfile that its table of processes does not have, and workers of distributions.
    """
    found = (_NAME.match(one) for one in project.requirements.runtime)
    names = {match[0].lower().replace("_", "-") for match in found if match}
    defaults = [] if project.processes else [own for name, own in _DEFAULTS.items() if name in names]
    running = {WEB}.union((one.name for one in project.processes), *defaults)
    told = []
    for title, name, text in _read(project.folder):
        command, problem = _judge(name, text, project.manage)
        if name not in running and (problem or command):
            told.append(f"{_FILE} {title}{problem or ' will not run: [tool.estiba.processes] does not have it'}")
    return told + _find_workers(names, (one.command for one in project.processes))


def _find_workers(names: Collection[str], commands: Iterable[Sequence[str]]) -> list[str]:
    text = "\n".join(" ".join(words) for words in commands)
    return [
        f"{name} is required, and nothing runs it: write [tool.estiba.processes.{process}] with command ="
        f" {json.dumps(words)}"
        for name, (pattern, process, words) in _NEEDED.items()
        if name in names and not re.search(pattern, text)
    ]


def _read(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the name in each line of the Procfile, that as the table has it, and the command."""
    path = folder / _FILE
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines() if path.is_file() else []
    for match in filter(None, map(_LINE.fullmatch, map(str.strip, lines))):
        yield match[1], match[1].lower().replace("_", "-"), match[2]


def _judge(name: str, text: str, manage: str) -> tuple[list[str], str]:
    """Return the words of a line, none for what a deployment does anyway, or what is to be said of it."""
    command, problem = _parse(text, manage)
    if name == _RELEASE:
        return [], "" if command[:2] == _MIGRATE else f": a deployment runs migrate, and not {text!r}"
    found = processes.check({name: {"command": command}}) if command else []
    return command, f" will not run: {problem or found[0]}" if problem or found else ""


def _parse(text: str, manage: str) -> tuple[list[str], str]:
    """Return the words of a line without what the image decides, or why it cannot be run."""
    try:
        words = _split(text, manage)
    except ValueError as error:
        return [], f"{text!r} is no command: {error}"
    if words[:2] == ["manage", "runserver"]:
        return [], "runserver is for development; remove the line, and the image runs its web server"
    words = list(_without_address(words[len(_find_wrapper(words)) :]))
    if words[:1] and words[0].rpartition("/")[2] in _TOOLS and not words[0].startswith("."):
        return [], f"an image has no {words[0]}; write what it starts into [tool.estiba.processes]"
    if shell := next((word for word in words if _SHELL.search(word)), ""):
        return [], f"{shell!r} in {text!r} needs a shell; write the words into [tool.estiba.processes]"
    return words, ""


def _split(text: str, manage: str) -> list[str]:
    """Return the words of a line from the folder of manage.py, which `manage` stands for.

    Raises:
        ValueError: A quote is not closed.
    """
    words = shlex.split(text)
    folder = manage.rpartition("/")[0]
    if words[:1] == ["cd"] and words[2:_FOLDER] == ["&&"] and words[1].strip("./") == folder:
        words = words[_FOLDER:]
    words = _without_launcher(words)
    rest = words[1:] if words[:1] and _PYTHON.fullmatch(words[0]) else words
    rest = rest[1:] if rest[:1] == ["-u"] else rest
    return ["manage", *rest[1:]] if rest[:1] and rest[0].rpartition("/")[2] == "manage.py" else words


def _without_launcher(words: list[str]) -> list[str]:
    """Return words without what a shell or a tool for environments starts them with, of which an image has none."""
    for launcher in _LAUNCHERS:
        if words[: len(launcher)] == launcher:
            left = words[len(launcher) :]
            while launcher[-1:] == ["run"] and left[:1] and left[0].startswith("-"):
                left = left[1:]
            return _without_launcher(left)
    return words


def _find_wrapper(words: Sequence[str]) -> list[str]:
    """Return the words before a program that the image starts by itself."""
    before = list(words[: next((at for at, word in enumerate(words) if word in _STARTED), 0)])
    return [] if any(_OPERATOR.search(word) for word in before) else before


def _without_address(words: Sequence[str]) -> Iterator[str]:
    """Yield the words without a web server's options of where it listens, and without workers from a variable."""
    options = _ADDRESS.get(words[0], ()) if words else ()
    left = iter(words)
    for word in left:
        option, equals, value = word.partition("=")
        if option not in options and not (options and option in _WORKERS):
            yield word
            continue
        value = value if equals else next(left, "")
        if option in _WORKERS and not value.startswith("$"):
            yield from (option, value)


def _is_default(study: Study, name: str, command: Sequence[str]) -> bool:
    """Tell whether a line is gunicorn with the application that is served anyway."""
    if name != WEB or command[0] != "gunicorn":
        return False
    given = {key: str(study.settings.get(key, "")) for key in ("settings", "wsgi")}
    layout = django.Layout(settings="", wsgi="")
    with contextlib.suppress(ConfigError):
        layout = django.find_layout(study.folder, study.settings.get("manage", "manage.py"), **given)
    own = layout.wsgi.removesuffix(":application")
    return not layout.is_asgi and [one.removesuffix(":application") for one in command[1:]] in ([], [own])

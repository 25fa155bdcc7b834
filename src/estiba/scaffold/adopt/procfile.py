"""Processes of a project, from its Procfile, as `[tool.estiba.processes]`; there is no shell to run its lines."""

from __future__ import annotations

import contextlib
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ConfigError
from estiba.service import django, processes
from estiba.service.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from packaging.requirements import Requirement

    from estiba.scaffold.adopt.evidence import Study

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

_RELEASE: Final = "release"
_MIGRATE: Final = ["manage", "migrate"]
_FOLDER: Final = 3


def find(study: Study, wanted: Sequence[Requirement]) -> None:
    """Choose the processes that the Procfile names, and list its lines that will not run.

    Args:
        study: Findings so far.
        wanted: Requirements of the service.
    """
    names = {one.name.lower() for one in wanted}
    table = dict(_read(study))
    if table and table.keys() != {WEB}:
        listed = ", ".join(sorted({WEB, *table}))
        study.decided.append(f"processes = {listed}: {_FILE} names them")
    if table:
        study.settings["processes"] = table
    commands = [one["command"][0] for one in table.values()]
    if "celery" in names and "celery" not in commands:
        study.undecided.append(
            "celery is required, and nothing runs it: write [tool.estiba.processes.worker] with"
            ' command = ["celery", "worker"], and likewise for its beat'
        )


def _read(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the processes that are not what the image runs anyway, each with its command."""
    path = study.folder / _FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for match in filter(None, map(_LINE.fullmatch, map(str.strip, lines))):
        name, text = match[1].lower().replace("_", "-"), match[2]
        command, problem = _parse(study, text)
        if name == _RELEASE:
            if command[:2] != _MIGRATE:
                study.undecided.append(f"{_FILE} {match[1]}: a deployment runs migrate, and not {text!r}")
            continue
        found = processes.check({name: {"command": command}}) if command else []
        if problem or found:
            study.undecided.append(f"{_FILE} {match[1]} will not run: {problem or found[0]}")
        elif not _is_default(study, name, command):
            yield name, {"command": command}


def _parse(study: Study, text: str) -> tuple[list[str], str]:
    """Return the words of a line without what the image decides, or why it cannot be run."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        return [], f"{text!r} is no command: {error}"
    folder = study.settings.get("manage", "").rpartition("/")[0]
    if words[:1] == ["cd"] and words[2:_FOLDER] == ["&&"] and words[1].strip("./") == folder:
        words = words[_FOLDER:]
    if words[:1] in (["python"], ["python3"]) and words[1:2] and words[1].rpartition("/")[2] == "manage.py":
        words = ["manage", *words[2:]]
    if words[:2] == ["manage", "runserver"]:
        return [], "runserver is for development; remove the line, and the image runs its web server"
    words = list(_without_address(_without_wrapper(study, words)))
    if words[:1] and words[0].rpartition("/")[2] in _TOOLS and not words[0].startswith("."):
        return [], f"an image has no {words[0]}; write what it starts into [tool.estiba.processes]"
    if shell := next((word for word in words if _SHELL.search(word)), ""):
        return [], f"{shell!r} in {text!r} needs a shell; write the words into [tool.estiba.processes]"
    return words, ""


def _without_wrapper(study: Study, words: list[str]) -> list[str]:
    """Return the words from a program on that the image starts by itself, and say which are left out."""
    first = next((at for at, word in enumerate(words) if word in _STARTED), 0)
    before = words[:first]
    if not before or any(_OPERATOR.search(word) for word in before):
        return words
    study.undecided.append(
        f"{_FILE}: {shlex.join(before)!r} before {words[first]} is left out, which the image starts itself: what it"
        " does for the service, such as tracing, has to be done in the code"
    )
    return words[first:]


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

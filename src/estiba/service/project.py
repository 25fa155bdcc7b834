"""A service: a Django project's folder and what its pyproject.toml says about building it."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from estiba.errors import ConfigError
from estiba.service import django, requirements

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.service.requirements import Requirements

SUITES: Final = {"3.11": "bookworm", "3.13": "trixie"}
"""The Debian release that brings each Python."""

PLATFORMS: Final = ("aarch64-linux", "x86_64-linux")
"""The platforms that a service can be locked for, in Nix's notation."""

_POCKETS: Final = ("main", "updates", "security")
_CHECK_LEVELS: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
_COMPRESSIONS: Final = ("zstd", "gzip")
_DEFAULT_PYTHON: Final = "3.13"
_NAMES: Final[tuple[type, str]] = (list, "a list of strings")
_TEXT: Final[tuple[type, str]] = (str, "a string")
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "check-level": _TEXT,
    "compression": _TEXT,
    "configuration": _TEXT,
    "debian": _NAMES,
    "debian-build": _NAMES,
    "env": (dict, "a table of strings"),
    "exclude": _NAMES,
    "groups": (dict, "a table such as {dev = ['dev', 'test']}"),
    "include": _NAMES,
    "manage": _TEXT,
    "platforms": _NAMES,
    "pockets": _NAMES,
    "prepare": (list, "a list of commands such as [['compilescss']], each a list of words"),
    "python": _TEXT,
    "settings": _TEXT,
    "shell-env": (dict, "a table of strings"),
    "static": (bool, "true or false"),
    "targets": (dict, "a table of tables such as {local = {port = 8000}}"),
    "test-command": _NAMES,
    "wsgi": _TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A service's folder and its settings for Estiba, with every default filled in.

    Attributes:
        folder: The service's folder.
        name: Its normalised distribution name.
        version: Its version, `0` where none is written down.
        python: Python's minor version, such as `3.13`.
        platforms: Nix system names, sorted.
        suite: The Debian release that goes with the Python.
        pockets: Which of main, updates and security to take packages from.
        debian: Debian packages that the service needs at run time.
        debian_build: Debian packages that only the building of sdists and `prepare` need.
        settings: The settings module.
        wsgi: The WSGI application, `module:attribute`.
        manage: Path of manage.py in the folder; empty where tools are locked and no service.
        prepare: Commands of manage.py, or scripts, that run in the build before everything else of the service.
        static: Whether static files are collected.
        compression: How layers are compressed.
        env: Environment of the build's manage.py commands and of the checks.
        exclude: Globs of files that stay out of the image.
        include: Globs of files that belong to the image in spite of their names.
        test_command: What runs the tests.
        requirements: The distributions it asks for.
        targets: What is written about the places to deploy to, by their names.
    """

    folder: Path
    name: str
    version: str
    python: str
    platforms: tuple[str, ...]
    suite: str
    pockets: tuple[str, ...]
    debian: tuple[str, ...]
    debian_build: tuple[str, ...]
    settings: str
    wsgi: str
    manage: str
    prepare: tuple[tuple[str, ...], ...]
    static: bool
    compression: str
    env: Mapping[str, str]
    exclude: tuple[str, ...]
    include: tuple[str, ...]
    test_command: tuple[str, ...]
    requirements: Requirements
    targets: Mapping[str, Mapping[str, Any]]


def load(folder: Path) -> Project:
    """Read a service from its folder; nothing of it is run.

    Raises:
        ConfigError: The folder holds no Django project, or its settings have problems; all are listed.
    """
    pyproject = _load_pyproject(folder)
    table = pyproject.get("tool", {}).get("estiba", {})
    _check(table, pyproject.get("project", {}))
    manage = table.get("manage", "manage.py")
    # Tools are locked in the same way as a service, this repository's own among them; there is nothing of Django then.
    layout = (
        django.find_layout(folder, manage, settings=table.get("settings", ""), wsgi=table.get("wsgi", ""))
        if manage
        else django.Layout(settings="", wsgi="")
    )
    python = table.get("python", _DEFAULT_PYTHON)
    return Project(
        folder=folder,
        name=canonicalize_name(pyproject.get("project", {}).get("name") or folder.resolve().name),
        version=str(pyproject.get("project", {}).get("version", "0")),
        python=python,
        platforms=tuple(sorted(table.get("platforms", PLATFORMS))),
        suite=SUITES[python],
        pockets=tuple(pocket for pocket in _POCKETS if pocket in table.get("pockets", _POCKETS)),
        debian=tuple(sorted(set(table.get("debian", ())))),
        debian_build=tuple(sorted(set(table.get("debian-build", ())))),
        settings=layout.settings,
        wsgi=layout.wsgi,
        manage=manage,
        prepare=tuple(tuple(words) for words in table.get("prepare", ())),
        static=table.get("static", True),
        compression=table.get("compression", "zstd"),
        env=dict(table.get("env", {})),
        exclude=tuple(table.get("exclude", ())),
        include=tuple(table.get("include", ())),
        test_command=tuple(table.get("test-command", ("pytest",))),
        targets=dict(table.get("targets", {})),
        requirements=_load_requirements(folder, pyproject, table.get("groups", {})),
    )


def _load_pyproject(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigError(str(folder), ["no such folder"], hint="name the service's folder with --project")
    path = folder / "pyproject.toml"
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        where = "pyproject.toml"
        raise ConfigError(where, [str(error)]) from error


def _load_requirements(folder: Path, pyproject: Mapping[str, Any], groups: Mapping[str, Any]) -> Requirements:
    return requirements.load(folder, pyproject, groups=groups.get("dev"), runtime_groups=groups.get("runtime", ()))


def _check(table: Mapping[str, Any], project: Mapping[str, Any]) -> None:
    """Raise one error with everything that is wrong in `[tool.estiba]`."""
    problems = [_unknown(key) for key in table if key not in _KEYS]
    problems += [problem for key, value in table.items() if key in _KEYS for problem in _check_type(key, value)]
    if not problems:
        problems = _check_values(table, project)
    if problems:
        where = "pyproject.toml [tool.estiba]"
        raise ConfigError(where, problems)


def _unknown(key: str) -> str:
    close = difflib.get_close_matches(key, _KEYS, n=1)
    return f"unknown key {key!r}" + (f", did you mean {close[0]!r}?" if close else f"; known: {', '.join(_KEYS)}")


def _check_type(key: str, value: object) -> list[str]:
    kind, wanted = _KEYS[key]
    entries: list[object] = []
    if key == "prepare":
        entries = _flatten(value)
    elif isinstance(value, list):
        entries = value
    elif isinstance(value, dict) and key in {"env", "shell-env"}:
        entries = list(value.values())
    elif isinstance(value, dict) and key == "targets":
        return [
            f"'targets.{name}' must be a table, not {one!r}" for name, one in value.items() if type(one) is not dict
        ]
    elif isinstance(value, dict):
        return _check_groups(value)
    if not isinstance(value, kind) or not all(isinstance(entry, str) for entry in entries):
        return [f"{key!r} must be {wanted}, not {value!r}"]
    return []


def _flatten(commands: object) -> list[object]:
    """Return the words of a list of commands; in place of what is no command, something that is no word."""
    if not isinstance(commands, list):
        return []
    return [word or None for words in commands for word in (words if isinstance(words, list) and words else [None])]


def _check_groups(value: Mapping[str, object]) -> list[str]:
    known = {key: names for key, names in value.items() if key in {"dev", "runtime"}}
    problems = [
        f"unknown group {key!r} in 'groups', only 'dev' and 'runtime' are locked" for key in value if key not in known
    ]
    for key, names in known.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            problems.append(f"'groups.{key}' must be a list of names of [dependency-groups], not {names!r}")
    return problems


def _check_values(table: Mapping[str, Any], project: Mapping[str, Any]) -> list[str]:
    problems: list[str] = []
    choices = (
        ("python", tuple(SUITES)),
        ("check-level", _CHECK_LEVELS),
        ("compression", _COMPRESSIONS),
        ("platforms", PLATFORMS),
        ("pockets", _POCKETS),
    )
    for key, allowed in choices:
        chosen = table.get(key, [])
        values = [chosen] if isinstance(chosen, str) else chosen
        listed = " or ".join(map(repr, allowed))
        problems += [f"{key!r} cannot be {value!r}, only {listed}" for value in values if value not in allowed]
    problems += [f"{key!r} must name at least one" for key in ("platforms", "pockets") if table.get(key) == []]
    if "main" not in table.get("pockets", ["main"]):
        problems.append("'pockets' must contain 'main'")
    return problems + _check_python(table.get("python", _DEFAULT_PYTHON), project.get("requires-python", ""))


def _check_python(python: str, requires: str) -> list[str]:
    try:
        # A patch level that any release of the minor version passes.
        fits = SpecifierSet(requires).contains(f"{python}.99") or SpecifierSet(requires).contains(python)
    except InvalidSpecifier:
        return [f"[project] requires-python {requires!r} is not a version specifier"]
    return [] if fits else [f"'python' is {python!r}, but [project] requires-python is {requires!r}"]

"""Settings of a service: `[tool.estiba]` and `[project]` of its pyproject.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from estiba.errors import ConfigError, describe_unknown
from estiba.service import debian, django, frontend, postgresql, processes, requirements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from estiba.service.debian import Release
    from estiba.service.frontend import Frontend
    from estiba.service.postgresql import PostgreSQL
    from estiba.service.processes import Process
    from estiba.service.requirements import Requirements

PLATFORMS: Final = ("aarch64-linux", "x86_64-linux")
"""Platforms that a service can be locked for, as Nix system names."""

_CHECK_LEVELS: Final = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
_COMPRESSIONS: Final = ("zstd", "gzip")
_RESOLVERS: Final = ("pip-tools", "uv")
_TAKEN: Final = frozenset(("/", *map("/{}".format, "app bin dev etc lib nix opt proc sys tmp usr var".split())))  # noqa: SIM905 - short
"""Folders that hold what no data may hide."""

_NAMES: Final[tuple[type, str]] = (list, "a list of strings")
_TEXT: Final[tuple[type, str]] = (str, "a string")
_KEYS: Final[Mapping[str, tuple[type, str]]] = {
    "asgi": _TEXT,
    "build-constraints": _NAMES,
    "chart": (dict, "a table such as {hosts = ['shop.example']}"),
    "check-level": _TEXT,
    "ci": (dict, "a table such as {branch = 'main'}"),
    "compression": _TEXT,
    "configuration": _TEXT,
    "debian": (list, "a list of strings, or a table such as {release = 'forky', packages = ['git']}"),
    "debian-build": _NAMES,
    "env": (dict, "a table of strings"),
    "exclude": _NAMES,
    "extras": _NAMES,
    "frontend": (dict, "a table such as {output = ['static/dist']}"),
    "groups": (dict, "a table such as {dev = ['dev', 'test']}"),
    "include": _NAMES,
    "manage": _TEXT,
    "missing-libraries": (dict, "a table such as {torch = 'allow'}"),
    "persist": _NAMES,
    "platforms": _NAMES,
    "pockets": _NAMES,
    "postgresql": (dict, "a table such as {packages = ['postgresql-17-postgis-3']}"),
    "prepare": (list, "a list of commands such as [['compilescss']], each a list of words"),
    "processes": (dict, "a table of tables such as {worker = {concurrency = 2}}"),
    "python": _TEXT,
    "release": (dict, "a table such as {targets = ['staging', 'production']}"),
    "resolver": _TEXT,
    "settings": _TEXT,
    "shell-env": (dict, "a table of strings"),
    "static": (bool, "true or false"),
    "targets": (dict, "a table of tables such as {local = {port = 8000}}"),
    "test-command": _NAMES,
    "wsgi": _TEXT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Settings of a service, with defaults for all keys that are not set (docs/configuration.md).

    Attributes:
        folder: Folder of the service.
        name: Normalised distribution name (PEP 503).
        version: Version, `0` if `[project]` has none.
        python: Python minor version, such as `3.13`.
        platforms: Nix system names, sorted.
        debian_release: Release and archives to take Debian packages from.
        debian: Debian packages needed at run time.
        postgresql: PostgreSQL of checks, targets and development.
        debian_build: Debian packages needed to build sdists and to run the `prepare` commands.
        build_constraints: Version constraints of the build requirements of sdists, such as `setuptools<81`.
        resolver: What resolves the Python requirements: `pip-tools` or `uv`.
        missing_libraries: `allow` or `refuse` by normalised name of a distribution: what a lock does if its wheels
            name shared libraries that the image lacks.
        settings: Dotted path of Django's settings module.
        wsgi: WSGI application as `module:attribute`; empty for a service that has an ASGI application alone.
        is_asgi: Whether the ASGI application is the one that is served.
        manage: Path of manage.py relative to `folder`; empty to lock Python tools without a Django project.
        prepare: Commands to run at the start of the build: manage.py subcommands or scripts, with arguments.
        processes: Processes, `web` first; empty without `[tool.estiba.processes]`, for those that the build finds.
        persist: Folders of data that outlive releases, as places in the service's root file system.
        frontend: Front end that npm builds, or None.
        static: Whether to collect static files.
        compression: Compression of image layers: `zstd` or `gzip`.
        env: Environment variables of manage.py commands in the build and of checks.
        exclude: Globs of files to leave out of the image.
        extras: Names of `[project.optional-dependencies]` that are in the image.
        include: Globs of files to put into the image although they are excluded by default.
        test_command: Command that runs the tests, with arguments.
        requirements: Requirements of the service.
        targets: Table `[tool.estiba.targets.NAME]` of each deployment target, by name.
        release: Table `[tool.estiba.release]`, which `estiba.release.settings` parses.
        chart: Table `[tool.estiba.chart]`: values of the Helm chart, which `estiba.scaffold.helm` renders.
        ci: Table `[tool.estiba.ci]`, which `estiba.scaffold.ci` parses.
    """

    folder: Path
    name: str
    version: str
    python: str
    platforms: tuple[str, ...]
    debian_release: Release
    debian: tuple[str, ...]
    postgresql: PostgreSQL
    debian_build: tuple[str, ...]
    build_constraints: tuple[str, ...]
    resolver: str
    missing_libraries: Mapping[str, str]
    settings: str
    wsgi: str
    is_asgi: bool
    manage: str
    prepare: tuple[tuple[str, ...], ...]
    processes: tuple[Process, ...]
    persist: tuple[str, ...]
    frontend: Frontend | None
    static: bool
    compression: str
    env: Mapping[str, str]
    exclude: tuple[str, ...]
    extras: tuple[str, ...]
    include: tuple[str, ...]
    test_command: tuple[str, ...]
    requirements: Requirements
    targets: Mapping[str, Mapping[str, Any]]
    release: Mapping[str, Any]
    chart: Mapping[str, Any]
    ci: Mapping[str, Any]

    @property
    def suite(self) -> str:
        """Suite of the Debian release."""
        return self.debian_release.suite

    @property
    def pockets(self) -> tuple[str, ...]:
        """Debian pockets to take packages from: of `main`, `updates` and `security`."""
        return self.debian_release.pockets


def load(folder: Path) -> Project:
    """Read the settings of the service in a folder, without running any of its code.

    Raises:
        ConfigError: The folder has no Django project, or settings are invalid; the message lists all of them.
    """
    pyproject = _load_pyproject(folder)
    table = pyproject.get("tool", {}).get("estiba", {})
    _check(table, pyproject.get("project", {}))
    layout = _find_layout(folder, table)
    requires = pyproject.get("project", {}).get("requires-python", "")
    return Project(
        folder=folder,
        name=canonicalize_name(pyproject.get("project", {}).get("name") or folder.resolve().name),
        version=str(pyproject.get("project", {}).get("version", "0")),
        python=debian.choose_python(table, requires),
        platforms=tuple(sorted(table.get("platforms", PLATFORMS))),
        debian_release=debian.parse(folder, table, requires_python=requires),
        debian=debian.list_packages(table),
        postgresql=postgresql.parse(table.get("postgresql", {})),
        debian_build=tuple(sorted(set(table.get("debian-build", ())))),
        requirements=(wanted := _load_requirements(folder, pyproject, table)),
        build_constraints=tuple(sorted({*table.get("build-constraints", ()), *wanted.build_constraints})),
        resolver=table.get("resolver", "pip-tools"),
        missing_libraries={canonicalize_name(name): say for name, say in table.get("missing-libraries", {}).items()},
        settings=layout.settings,
        wsgi=layout.wsgi,
        is_asgi=layout.is_asgi,
        manage=table.get("manage", "manage.py"),
        prepare=tuple(tuple(words) for words in table.get("prepare", ())),
        processes=processes.parse(table.get("processes", {})),
        persist=tuple(str(PurePosixPath("/app", folder)) for folder in table.get("persist", ())),
        frontend=frontend.parse(table.get("frontend")),
        static=table.get("static", True),
        compression=table.get("compression", "zstd"),
        env=dict(table.get("env", {})),
        exclude=tuple(table.get("exclude", ())),
        extras=tuple(table.get("extras", ())),
        include=tuple(table.get("include", ())),
        test_command=tuple(table.get("test-command", ("pytest",))),
        targets=dict(table.get("targets", {})),
        release=dict(table.get("release", {})),
        chart=dict(table.get("chart", {})),
        ci=dict(table.get("ci", {})),
    )


def _find_layout(folder: Path, table: Mapping[str, Any]) -> django.Layout:
    manage = table.get("manage", "manage.py")
    # An empty `manage` locks Python tools, as this repository does for its own; there is no Django project then.
    if not manage:
        return django.Layout(settings="", wsgi="")
    return django.find_layout(folder, manage, **{key: table.get(key, "") for key in ("settings", "wsgi", "asgi")})


def _load_pyproject(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise ConfigError(str(folder), ["no such folder"], hint="name the service's folder with --project")
    path = folder / "pyproject.toml"
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        where = "pyproject.toml"
        raise ConfigError(where, [str(error)]) from error


def _load_requirements(folder: Path, pyproject: Mapping[str, Any], table: Mapping[str, Any]) -> Requirements:
    groups = table.get("groups", {})
    return requirements.load(
        folder,
        pyproject,
        groups=groups.get("dev"),
        runtime_groups=groups.get("runtime", ()),
        extras=table.get("extras", ()),
    )


def _check(table: Mapping[str, Any], project: Mapping[str, Any]) -> None:
    """Raise one error that lists all invalid settings in `[tool.estiba]`."""
    problems = [describe_unknown(key, _KEYS) for key in table if key not in _KEYS]
    problems += [problem for key, value in table.items() if key in _KEYS for problem in _check_type(key, value)]
    if not problems:
        problems = _check_values(table, project)
    if problems:
        where = "pyproject.toml [tool.estiba]"
        raise ConfigError(where, problems)


def _check_type(key: str, value: object) -> list[str]:
    kind, wanted = _KEYS[key]
    if isinstance(value, dict) and key in _TABLES:
        return _TABLES[key](value)
    entries: list[object] = []
    if key == "prepare":
        entries = _flatten(value)
    elif isinstance(value, list):
        entries = value
    elif isinstance(value, dict):
        entries = list(value.values())
    if not isinstance(value, kind) or not all(isinstance(entry, str) for entry in entries):
        return [f"{key!r} must be {wanted}, not {value!r}"]
    return []


def _flatten(commands: object) -> list[object]:
    """Return the arguments of a list of commands, with None for each command or argument that is invalid or empty."""
    if not isinstance(commands, list):
        return []
    return [word or None for words in commands for word in (words if isinstance(words, list) and words else [None])]


def _check_targets(value: Mapping[str, object]) -> list[str]:
    return [
        f"'targets.{name}' must be a table, not {entry!r}" for name, entry in value.items() if type(entry) is not dict
    ]


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
        ("check-level", _CHECK_LEVELS),
        ("compression", _COMPRESSIONS),
        ("platforms", PLATFORMS),
        ("pockets", debian.POCKETS),
        ("resolver", _RESOLVERS),
    )
    for key, allowed in choices:
        chosen = table.get(key, [])
        values = [chosen] if isinstance(chosen, str) else chosen
        listed = " or ".join(map(repr, allowed))
        problems += [f"{key!r} cannot be {value!r}, only {listed}" for value in values if value not in allowed]
    problems += [
        f"'missing-libraries.{name}' cannot be {say!r}, only 'allow' or 'refuse'"
        for name, say in table.get("missing-libraries", {}).items()
        if say not in {"allow", "refuse"}
    ]
    problems += _check_folders(table.get("persist", []))
    problems += processes.check(table.get("processes", {}))
    problems += requirements.check_constraints(table.get("build-constraints", ()), "'build-constraints'")
    problems += [f"{key!r} must name at least one" for key in ("platforms", "pockets") if table.get(key) == []]
    if "main" not in table.get("pockets", ["main"]):
        problems.append("'pockets' must contain 'main'")
    problems += postgresql.check_image(debian.list_packages(table))
    return problems + _check_identity(project) + debian.check_python(table, project.get("requires-python", ""))


def _check_identity(project: Mapping[str, Any]) -> list[str]:
    """Return problems of name and version, which become parts of paths and of other tools' arguments."""
    problems = []
    name, version = project.get("name", "x"), project.get("version", "0")
    try:
        canonicalize_name(name, validate=True)
    except (InvalidName, TypeError):
        problems.append(f"[project] name {name!r} is not a name of letters, digits, '-', '_' and '.' (PEP 508)")
    try:
        Version(version)
    except (InvalidVersion, TypeError):
        problems.append(f"[project] version {version!r} is not a version such as '1.2.3' (PEP 440)")
    return problems


def _check_folders(folders: list[str]) -> list[str]:
    """Return what is wrong with `persist`."""
    places = {folder: PurePosixPath("/app", folder) for folder in folders}
    problems = [
        f"'persist' has {folder!r}, not a folder such as 'data' or '/var/lib/site'"
        for folder, place in places.items()
        if ".." in place.parts or str(place) in _TAKEN or folder != folder.rstrip("/") or not folder
    ]
    problems += [
        f"'persist' has {folder!r}, which is in {other!r} already"
        for folder, place in places.items()
        for other, above in places.items()
        if above in place.parents
    ]
    return problems


_TABLES: Final[Mapping[str, Callable[[Mapping[str, Any]], list[str]]]] = {
    "chart": lambda _: [],
    "ci": lambda _: [],
    "debian": debian.check,
    "frontend": frontend.check,
    "groups": _check_groups,
    "postgresql": postgresql.check,
    "processes": lambda _: [],
    "release": lambda _: [],
    "targets": _check_targets,
}
"""What checks each table; those that their own modules parse are left to these."""

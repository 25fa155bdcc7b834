"""Facts about a Django project, found in its files: requirements, and the Python version."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from packaging.requirements import Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from estiba.errors import ConfigError
from estiba.scaffold.adopt import conversion
from estiba.service import requirements
from estiba.service.debian import STABLE, SUITES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from estiba.scaffold.adopt.survey import Survey

_PYPROJECT: Final = "pyproject.toml"
_RUNTIME: Final = ("production", "prod", "deploy", "requirements", "base", "common", "main")
_DEV: Final = ("development", "dev", "local", "testing", "tests", "test")
_DRIVER: Final = "psycopg[binary]"
_DRIVERS: Final = frozenset({"psycopg", "psycopg-binary", "psycopg-c", "psycopg2", "psycopg2-binary"})
_SERVER: Final = "gunicorn"
_ASGI_SERVER: Final = "uvicorn[standard]"
_ASGI_SERVERS: Final = frozenset({"daphne", "hypercorn", "uvicorn"})
_REASONS: Final = {
    _SERVER: "the image is served by it",
    _ASGI_SERVER: "the settings name an ASGI application",
    _DRIVER: "it reaches the database",
}
_PLAIN: Final = ("requirements", "requirements.in", "requirements.txt")
_BELOW: Final = {
    _PYPROJECT: re.compile(r"^\[(project|tool\.poetry)\]", re.MULTILINE),
    "Pipfile": re.compile(r"^\[packages\]", re.MULTILINE),
}
_GENERATED: Final = re.compile(r"using Django (\d+\.\d+)")
_MINOR: Final = re.compile(r"(?:^|python[-:@]?)\s*(3\.\d+)", re.MULTILINE)
_MODERN: Final = Version("5.1")
_LATER: Final = ("5.1", "5.1.9", "5.2", "5.2.9", "6.0", "6.0.9", "6.1")


@dataclass(slots=True, kw_only=True)
class Study:
    """Findings about a project, extended by each function that examines it.

    Attributes:
        folder: Folder of the project.
        pyproject: Parsed pyproject.toml, empty without one; with the tables that are to be added.
        settings: Keys of `[tool.estiba]`.
        files: Contents of further files to create, by name.
        tables: Tables to add to pyproject.toml, by dotted name.
        comments: Lines to add to the end of pyproject.toml.
        decided: Sentences about choices that were made, with their reasons.
        undecided: Sentences about what the user has to decide or do.
    """

    folder: Path
    pyproject: Mapping[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    tables: dict[str, Any] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)


def convert(study: Study) -> None:
    """Write the requirements of Poetry, or of a Pipfile, in the form that all tools read."""
    project, tools = study.pyproject.get("project", {}), study.pyproject.get("tool", {})
    if project.get("dependencies") is not None or "estiba" in tools:
        return
    if tools.get("poetry", {}).get("dependencies"):
        found = conversion.convert_poetry(study.folder, tools["poetry"])
    elif (study.folder / "Pipfile").is_file() and not any((study.folder / name).exists() for name in _PLAIN):
        found = conversion.convert_pipfile(study.folder)
    else:
        return
    if project:
        # A table [project] that leaves its dependencies to Poetry cannot be opened again: they go into a group.
        found.groups["main"] = found.project["dependencies"]
        found.project = {}
    groups = {**study.pyproject.get("dependency-groups", {}), **found.groups}
    study.tables = {"project": found.project, "dependency-groups": found.groups}
    study.tables |= {"tool.uv.index": found.indexes, "tool.uv.sources": found.sources}
    uv = {"uv": {"index": found.indexes, "sources": found.sources}} if found.indexes else {}
    study.pyproject = {
        **study.pyproject,
        "project": {**project, **found.project},
        "dependency-groups": groups,
        "tool": {**tools, **uv},
    }
    study.decided.append(f"requirements are converted from {found.source}, and stand in pyproject.toml now")
    study.undecided += found.problems


def find_requirements(study: Study, seen: Survey, *, has_database: bool) -> tuple[Requirement, ...]:
    """Find the runtime requirements, add a web server and a PostgreSQL driver where they lack, and return them.

    Args:
        study: Findings so far.
        seen: Survey of the settings.
        has_database: Whether the settings can use PostgreSQL.
    """
    _choose_groups(study)
    groups, extras = study.settings.get("groups", {}).get("runtime", []), study.settings.get("extras", [])
    source = _PYPROJECT if groups or extras else _find_source(study)
    if not source:
        _start_requirements(study, seen)
        return ()
    lines, problems = requirements.read(study.folder, study.pyproject, source, runtime_groups=groups, extras=extras)
    study.undecided += problems
    wanted = tuple(map(Requirement, lines))
    study.decided.append(f"requirements come from {source}")
    names = {_name(one) for one in wanted}
    lacking = list(_find_lacking(names, is_asgi="ASGI_APPLICATION" in seen.names, has_database=has_database))
    if lacking and source == _PYPROJECT and "estiba" not in study.pyproject.get("tool", {}):
        _add_group(study, lacking)
        return (*wanted, *map(Requirement, lacking))
    included = [] if source in {_PYPROJECT, *requirements.SOURCES} else [f"-r {source}"]
    if lacking and source.endswith(".txt"):
        included = [f"-r {source}", *lacking]
        study.decided += [f"{one} is added in requirements.in: {_REASONS[one]}" for one in lacking]
    else:
        study.undecided += [f"{one} is missing: add it to {source}, {_REASONS[one]}" for one in lacking]
    if included:
        study.files["requirements.in"] = "\n".join([*included, ""])
    return wanted


def _find_lacking(names: set[str], *, is_asgi: bool, has_database: bool) -> Iterator[str]:
    """Yield the requirements that an image needs, and that are not among the names of distributions."""
    server, servers = (_ASGI_SERVER, _ASGI_SERVERS) if is_asgi else (_SERVER, frozenset({_SERVER}))
    if not names & servers:
        yield server
    if has_database and not names & _DRIVERS:
        yield _DRIVER


def _add_group(study: Study, lines: list[str]) -> None:
    """Add a dependency group for the image."""
    taken = study.pyproject.get("dependency-groups", {})
    name = next(name for name in ("deploy", "image", "estiba") if name not in taken)
    groups = {**study.tables.get("dependency-groups", {}), name: lines}
    study.tables["dependency-groups"] = groups
    runtime = study.settings.setdefault("groups", {}).setdefault("runtime", [])
    runtime.append(name)
    study.decided += [f"{line} is added in the group {name}: {_REASONS[line]}" for line in lines]


def find_dev_requirements(study: Study) -> tuple[Requirement, ...]:
    """Return the requirements for tests and development, which are locked as well."""
    if "dependency-groups" in study.pyproject:
        source, groups = _PYPROJECT, study.settings.get("groups", {}).get("dev")
        table = study.pyproject["dependency-groups"]
        groups = groups or [name for name in requirements.DEV_GROUPS if name in table]
        lines, _ = requirements.read(study.folder, {"dependency-groups": table}, source, runtime_groups=groups)
    else:
        found = next(_listed(study.folder, [""], ("requirements-dev",)), "")
        source = found or study.files.get("requirements-dev.in", "").removeprefix("-r ").strip()
        lines = requirements.read(study.folder, {}, source)[0] if source else ()
    return tuple(map(Requirement, lines))


def _start_requirements(study: Study, seen: Survey) -> None:
    """Create requirements for a project that has none; for those of other tools, ask for an export.

    Raises:
        ConfigError: They are beside manage.py, in a folder of its own.
    """
    signs = ("setup.py", "setup.cfg", "environment.yml", "poetry.lock", "uv.lock", "requirements")
    is_signed = any((study.folder / name).exists() for name in signs)
    if not is_signed:
        _refuse_requirements_below(study)
    if study.pyproject or is_signed:
        study.undecided.append(
            "no requirements that can be read: write requirements.txt, for example with `pip freeze > requirements.txt`"
        )
        return
    generated = _GENERATED.search("".join(ast.get_docstring(source.tree) or "" for source in seen.sources))
    lines = [f"django~={generated[1]}.0" if generated else "django", "gunicorn", _DRIVER]
    study.files["requirements.in"] = "\n".join([*lines, ""])
    study.undecided.append(
        f"no requirements found: requirements.in is started with {', '.join(lines)}; add what else is imported"
    )


def _refuse_requirements_below(study: Study) -> None:
    """Raise an error where the folder of manage.py has the requirements, in a form that is read at the top alone."""
    folder = (study.folder / study.settings.get("manage", "manage.py")).parent
    texts = {name: (folder / name).read_text(errors="replace") for name in _BELOW if (folder / name).is_file()}
    found = next((name for name, text in texts.items() if _BELOW[name].search(text)), "")
    if found and folder != study.folder:
        problem = f"the requirements are in {(folder / found).relative_to(study.folder)}, and there are none at the top"
        raise ConfigError(study.folder.resolve().name, [problem], hint=f"estiba adopt {folder}")


def choose_python(study: Study, wanted: tuple[Requirement, ...]) -> str:
    """Choose the Python of a Debian release that the project allows, and return it."""
    try:
        bounds = SpecifierSet(str(study.pyproject.get("project", {}).get("requires-python", "")))
    except InvalidSpecifier:
        bounds = SpecifierSet()
    fitting = [minor for minor in SUITES if bounds.contains(f"{minor}.99") or bounds.contains(minor)]
    allowed = [minor for minor in fitting if minor in STABLE] or fitting[:1]
    location, hinted = next(_hints(study.folder), ("", ""))
    old = next((one for one in wanted if _name(one) == "django" and not _is_modern(one.specifier)), None)
    if not allowed:
        study.undecided.append(f"requires-python is {bounds}, and Debian brings {' and '.join(SUITES)}: widen it")
        return max(STABLE, key=Version)
    chosen, reason = max(allowed, key=Version), "the newest that Debian brings"
    if "3.11" in allowed and old:
        chosen, reason = "3.11", f"{old} is older than Django's support of 3.13"
    elif "3.11" in allowed and hinted and Version(hinted) <= Version("3.11"):
        chosen, reason = "3.11", f"{location} says {hinted}"
    elif hinted and hinted != chosen:
        reason = f"{location} says {hinted}, which no Debian release that fits brings"
    study.settings["python"] = chosen
    study.decided.append(f"python = {chosen}: {reason}")
    return chosen


def _find_source(study: Study) -> str:
    if study.pyproject.get("project", {}).get("dependencies") is not None:
        return _PYPROJECT
    if not next(_listed(study.folder, [""], ("requirements-dev",)), "") and (dev := _find_file(study, _DEV)):
        study.files["requirements-dev.in"] = f"-r {dev}\n"
    return next(_listed(study.folder, [""], ("requirements",)), "") or _find_file(study, _RUNTIME)


def _find_file(study: Study, purposes: tuple[str, ...]) -> str:
    """Return the requirements file for a purpose by its common names, at the top and beside manage.py."""
    folder = str((study.folder / study.settings.get("manage", "manage.py")).parent.relative_to(study.folder))
    tops = ["" if top == "." else f"{top}/" for top in dict.fromkeys((".", folder))]
    within = [f"{top}{name}/" for top in tops for name in ("requirements", "reqs")]
    beside = [f"{purpose}-requirements" for purpose in purposes] + [f"requirements-{purpose}" for purpose in purposes]
    beside += [f"requirements_{purpose}" for purpose in purposes]
    found = (*_listed(study.folder, within, purposes), *_listed(study.folder, tops, tuple(beside)))
    plain = _listed(study.folder, tops, ("requirements",) if "requirements" in purposes else ())
    return next(iter((*found, *plain)), "")


def _listed(folder: Path, places: list[str], stems: tuple[str, ...]) -> Iterator[str]:
    """Yield the requirements files that exist, in order of preference."""
    names = (f"{location}{stem}{suffix}" for location in places for stem in stems for suffix in (".in", ".txt"))
    return (name for name in names if (folder / name).is_file())


def _choose_groups(study: Study) -> None:
    """Choose the dependency groups for development, and those and the extras for the image, by what is in them."""
    table, project = study.pyproject.get("dependency-groups", {}), study.pyproject.get("project", {})
    dev = [name for name in table if name in _DEV]
    brought = {_SERVER} if "dependencies" in project else {_SERVER, "django"}
    runtime = _bringing(brought, table)
    if extras := _bringing({_SERVER}, project.get("optional-dependencies", {})):
        study.settings["extras"] = extras
        study.decided.append(f"extras = {', '.join(extras)}: {_SERVER} is there")
    groups = {"dev": dev if set(dev) - {"dev", "test"} else [], "runtime": runtime}
    if any(groups.values()):
        study.settings["groups"] = {key: names for key, names in groups.items() if names}
    if runtime:
        study.decided.append(f"groups.runtime = {', '.join(runtime)}: {' or '.join(sorted(brought))} is there")


def _bringing(names: set[str], table: Mapping[str, list[object]]) -> list[str]:
    """Return the groups, but for those of development, that bring one of the distributions."""
    return [group for group, lines in table.items() if group not in _DEV and names & set(map(_named, lines))]


def _named(line: object) -> str:
    """Return the normalised name in a line of a dependency group, or an empty string for an include (PEP 735)."""
    found = re.match(r"[\w.-]+", line) if isinstance(line, str) else None
    return canonicalize_name(found[0]) if found else ""


def _hints(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield files that name a Python version, each with the version."""
    for name in (".python-version", "runtime.txt", "Dockerfile", "docker/Dockerfile", "Pipfile"):
        file = folder / name
        if file.is_file() and (found := _MINOR.search(file.read_text(errors="replace"))):
            yield name, found[1]


def _is_modern(bounds: SpecifierSet) -> bool:
    """Return whether a Django version within the bounds supports Python 3.13, as 5.1 and later do."""
    named = [one.version.removesuffix(".*") for one in bounds]
    return any(bounds.contains(one) for one in (*_LATER, *named) if Version(one) >= _MODERN)


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)

"""Direct requirements of a service, from pyproject.toml (PEP 621, PEP 735) or from pip's requirements files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from estiba.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PYPROJECT: Final = "pyproject.toml"

SOURCES: Final = ("requirements.in", "requirements.txt")
"""Files with the runtime requirements of a project without `[project] dependencies`; the first that exists counts."""

DEV_GROUPS: Final = ("dev", "test")
"""Dependency groups (PEP 735) that are locked for development and checks by default."""

_DEV_SOURCES: Final = ("requirements-dev.in", "requirements-dev.txt")
_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_INCLUDES: Final = ("-r", "--requirement")
_CONSTRAINTS: Final = ("-c", "--constraint")
_EDITABLE: Final = ("-e", "--editable")
_DIRECT: Final = re.compile(r"^(git|hg|svn|bzr)\+|^[a-z]+://|^\.{0,2}/|^\.$|\.(whl|zip|tar\.gz)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """Direct requirements of a service, as sorted PEP 508 strings.

    Attributes:
        source: File of the runtime requirements, relative to the folder of the service.
        runtime: Requirements of the running service.
        dev: Requirements of tests and development.
        constraints: Version constraints (pip's `-c`), which do not cause an installation.
    """

    source: str
    runtime: tuple[str, ...]
    dev: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()


def load(
    folder: Path,
    pyproject: Mapping[str, Any],
    *,
    groups: Sequence[str] | None = None,
    runtime_groups: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> Requirements:
    """Read the requirements of a service from pyproject.toml, or from requirements files if that declares none.

    Args:
        folder: Folder of the service.
        pyproject: Parsed pyproject.toml, empty if there is none.
        groups: Dependency groups of `dev`; by default those of `dev` and `test` that exist.
        runtime_groups: Dependency groups to add to the runtime requirements.
        extras: Names of `[project.optional-dependencies]` to add to the runtime requirements.

    Raises:
        ConfigError: Requirements are malformed or cannot be locked; the message lists all of them.
    """
    problems: list[str] = []
    declared = pyproject.get("project", {}).get("dependencies")
    constraints: list[str] = []
    if declared is not None or runtime_groups or extras:
        source, runtime = _PYPROJECT, _load_declared(pyproject, runtime_groups, problems)
        runtime += _load_extras(pyproject.get("project", {}), extras, problems)
    else:
        source, runtime = _load_first(folder, SOURCES, constraints, problems)
    if "dependency-groups" in pyproject:
        dev = _load_groups(pyproject["dependency-groups"], groups, problems)
    else:
        dev = _load_first(folder, _DEV_SOURCES, constraints, problems)[1]
    if not source:
        problems.append(
            f"no requirements: neither [project] dependencies in pyproject.toml nor {' nor '.join(SOURCES)}"
        )
    if problems:
        raise ConfigError(str(folder.name), problems)
    return Requirements(
        source=source,
        runtime=tuple(sorted(set(runtime))),
        dev=tuple(sorted(set(dev))),
        constraints=tuple(sorted(set(constraints))),
    )


def read(
    folder: Path, pyproject: Mapping[str, Any], source: str, *, runtime_groups: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the runtime requirements of one file.

    Args:
        folder: Folder of the service.
        pyproject: Parsed pyproject.toml, empty if there is none.
        source: `pyproject.toml`, or the name of a requirements file.
        runtime_groups: As for `load`.

    Returns:
        The sorted requirements, and one sentence for each that cannot be locked.
    """
    problems: list[str] = []
    if source == _PYPROJECT:
        lines = _load_declared(pyproject, runtime_groups, problems)
    else:
        lines = _load_file(folder, source, [], problems)
    return tuple(sorted(set(lines))), tuple(problems)


def _load_declared(pyproject: Mapping[str, Any], groups: Sequence[str], problems: list[str]) -> list[str]:
    """Read `[project] dependencies` and the dependency groups that belong to the runtime requirements."""
    lines = _check_all(pyproject.get("project", {}).get("dependencies", []), "[project] dependencies", problems)
    return lines + (_load_groups(pyproject.get("dependency-groups", {}), groups, problems) if groups else [])


def _load_extras(project: Mapping[str, Any], extras: Sequence[str], problems: list[str]) -> list[str]:
    """Read the requirements of extras, whose names count as those of distributions do (PEP 685)."""
    table = {canonicalize_name(name): lines for name, lines in project.get("optional-dependencies", {}).items()}
    unknown = [name for name in extras if canonicalize_name(name) not in table]
    has = f"[project.optional-dependencies] has {', '.join(sorted(table)) or 'none'}"
    problems += [f"[tool.estiba] extras: there is no {name!r}, {has}" for name in unknown]
    wanted = [line for name in extras for line in table.get(canonicalize_name(name), ())]
    return _check_all(wanted, "[project.optional-dependencies]", problems)


def _load_groups(table: Mapping[str, Any], groups: Sequence[str] | None, problems: list[str]) -> list[str]:
    wanted = list(groups) if groups is not None else [name for name in DEV_GROUPS if name in table]
    try:
        lines = [line for name in wanted for line in resolve_dependency_groups(table, name)]
    except (LookupError, ValueError, TypeError) as error:
        problems.append(f"[dependency-groups]: {error}")
        return []
    except ExceptionGroup as error:
        problems.extend(f"[dependency-groups]: {cause}" for cause in error.exceptions)
        return []
    return _check_all(lines, "[dependency-groups]", problems)


def _load_first(
    folder: Path, names: Sequence[str], constraints: list[str], problems: list[str]
) -> tuple[str, list[str]]:
    """Read the first of some files that exists."""
    for name in names:
        if (folder / name).is_file():
            return name, _load_file(folder, name, constraints, problems)
    return "", []


def _load_file(
    folder: Path, name: str, constraints: list[str], problems: list[str], *, outer: tuple[Path, ...] = ()
) -> list[str]:
    """Read a requirements file and the files that it includes; `outer` are the files that include it."""
    found: list[str] = []
    path = folder / name
    # A file that includes itself, perhaps through others, is read once.
    text = _read_text(path, name, problems) if path.resolve() not in outer else ""
    for number, line in _join_lines(text):
        where = f"{name}:{number}"
        words = (line.replace("=", " ", 1) if line.startswith("--") else line).split()
        if words[0] in (*_INCLUDES, *_CONSTRAINTS) and len(words) > 1:
            target = found if words[0] in _INCLUDES else constraints
            place = path.parent / words[1].strip("'\"")
            shown = str(place.relative_to(folder) if place.is_relative_to(folder) else place)
            target.extend(_load_file(folder, shown, constraints, problems, outer=(*outer, path.resolve())))
        elif words[0] in _EDITABLE:
            problems.append(_refuse(where, line))
        elif line.startswith("-"):
            problems.append(
                f"{where}: option {words[0]} is not for this file; set it in pip's configuration (pip config)"
            )
        else:
            # Hashes are dropped here: the lock gets those of the index.
            found.extend(_check_all([line.split(" --hash")[0].strip()], where, problems))
    return found


def _read_text(path: Path, name: str, problems: list[str]) -> str:
    """Return the text of a requirements file, empty if it cannot be read."""
    if not path.is_file():
        problems.append(f"{name}: no such file")
        return ""
    try:
        # Editors on Windows write a byte order mark.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"{name}: is not UTF-8, perhaps UTF-16 from PowerShell; save it again as UTF-8")
        return ""


def _join_lines(text: str) -> list[tuple[int, str]]:
    """Return logical lines with the number of their first line; continuations are joined, comments are removed."""
    lines: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start if pending else number
        line = _COMMENT.sub("", raw).rstrip()
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        if whole := (pending + line).strip():
            lines.append((start, whole))
        pending = ""
    return [*lines, (start, pending.strip())] if pending.strip() else lines


def _check_all(lines: Sequence[object], where: str, problems: list[str]) -> list[str]:
    """Return normalised requirements, and add a problem for each that is malformed or cannot be locked."""
    checked = []
    for line in lines:
        text = str(line)
        # Before parsing, since pip accepts paths and URLs that are no PEP 508 requirements.
        if _DIRECT.search(text.partition(";")[0].rpartition(" @ ")[2].strip()):
            problems.append(_refuse(where, text))
            continue
        try:
            checked.append(str(Requirement(text)))
        except InvalidRequirement as error:
            problems.append(f"{where}: {text!r} is not a requirement ({str(error).splitlines()[0]})")
    return checked


def _refuse(where: str, line: str) -> str:
    # A URL may hold a password or a token, which must not end up in a CI log.
    shown = re.sub(r"//[^/@\s]+@", "//***@", line)
    return (
        f"{where}: {shown!r} is a direct reference (a repository, path or URL), which has no hash that pip can check;"
        " publish it as a package on an index (a private one will do) and require it by name and version"
    )

"""Direct requirements of a service, from pyproject.toml (PEP 621, PEP 735) or from pip's requirements files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.dependency_groups import resolve_dependency_groups
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from estiba.errors import ConfigError
from estiba.service.declarations import direct, foreign, requirements_file
from estiba.service.declarations.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from estiba.service.declarations.direct import Source
    from estiba.service.declarations.foreign import Foreign, Index

_PYPROJECT: Final = "pyproject.toml"

SOURCES: Final = ("requirements.in", "requirements.txt")
"""Files with the runtime requirements of a project without `[project] dependencies`; the first that exists counts."""

DEV_GROUPS: Final = ("dev", "test")
"""Dependency groups (PEP 735) that are locked for development and checks by default."""

_DEV_SOURCES: Final = ("requirements-dev.in", "requirements-dev.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """Direct requirements of a service, as sorted PEP 508 strings without addresses.

    Attributes:
        source: File of the runtime requirements, relative to the folder of the service.
        runtime: Requirements of the running service.
        dev: Requirements of tests and development.
        constraints: Version constraints (pip's `-c`), which do not cause an installation.
        own: Normalised name of the service, which no index is asked for; empty if its files name none.
        sources: Packages from folders of the service and from git repositories; no index is asked for their names.
        indexes: Package indexes that the project names beside pip's own.
        build_constraints: Version constraints of the build requirements of sdists that tables of other tools name.
    """

    source: str
    runtime: tuple[str, ...]
    dev: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    own: str = ""
    sources: tuple[Source, ...] = ()
    indexes: tuple[Index, ...] = ()
    build_constraints: tuple[str, ...] = ()


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
    found = _collect(folder, pyproject)
    declared = pyproject.get("project", {}).get("dependencies")
    if declared is not None or runtime_groups or extras:
        source, runtime = _PYPROJECT, _load_declared(found, pyproject, runtime_groups) + _load_extras(found, extras)
    else:
        source, runtime = _load_first(found, SOURCES)
    if "dependency-groups" in pyproject:
        dev = _load_groups(found, pyproject["dependency-groups"], groups)
    else:
        dev = _load_first(found, _DEV_SOURCES)[1]
    if not source:
        found.problems.append(
            f"no requirements: neither [project] dependencies in pyproject.toml nor {' nor '.join(SOURCES)}"
        )
    others = foreign.read(folder, pyproject)
    dev += found.add(others.dev, "dev-dependencies")
    found.problems += check_constraints(others.build_constraints, "build-constraint-dependencies")
    _take_over(found, others, (*runtime, *dev))
    if found.problems:
        raise ConfigError(folder.resolve().name, list(dict.fromkeys(found.problems)))
    return Requirements(
        source=source,
        runtime=tuple(sorted(set(runtime))),
        dev=tuple(sorted(set(dev))),
        constraints=tuple(sorted(set(found.constraints))),
        own=found.own,
        sources=tuple(sorted(found.sources.values(), key=lambda one: one.name)),
        indexes=tuple(found.indexes),
        build_constraints=tuple(others.build_constraints),
    )


def read(
    folder: Path,
    pyproject: Mapping[str, Any],
    source: str,
    *,
    runtime_groups: Sequence[str] = (),
    extras: Sequence[str] = (),
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read the runtime requirements of one file.

    Args:
        folder: Folder of the service.
        pyproject: Parsed pyproject.toml, empty if there is none.
        source: `pyproject.toml`, or the name of a requirements file.
        runtime_groups: As for `load`.
        extras: As for `load`.

    Returns:
        The sorted requirements, and one sentence for each that cannot be locked.
    """
    found = _collect(folder, pyproject)
    if source == _PYPROJECT:
        lines = _load_declared(found, pyproject, runtime_groups) + _load_extras(found, extras)
    else:
        lines = requirements_file.read(found, source)
    _take_over(found, foreign.read(folder, pyproject), lines)
    return tuple(sorted(set(lines))), tuple(dict.fromkeys(found.problems))


def check_constraints(lines: Iterable[str], where: str) -> list[str]:
    """Return a sentence for each line that is no version constraint of a project."""
    found = Collection(folder=Path())
    places = [line for line in lines if direct.is_direct(line)]
    found.add([line for line in lines if line not in places], where)
    return found.problems + [f"{where}: {direct.hide(line)!r} names a place, and not a version" for line in places]


def _collect(folder: Path, pyproject: Mapping[str, Any]) -> Collection:
    project = pyproject.get("project", {})
    name = project.get("name") or pyproject.get("tool", {}).get("poetry", {}).get("name") or ""
    return Collection(folder=folder, own=canonicalize_name(str(name)), extras=project.get("optional-dependencies", {}))


def _take_over(found: Collection, others: Foreign, wanted: Iterable[str]) -> None:
    """Add what tables of other tools say to a collection; a source that is refused matters where its project is."""
    names = {canonicalize_name(Requirement(line).name) for line in wanted}
    found.problems += others.problems
    refused = sorted((names & others.refused.keys()) - found.sources.keys())
    found.problems += [problem for name in refused for problem in others.refused[name]]
    # A requirement that has an address of its own keeps it.
    found.sources |= {name: one for name, one in others.sources.items() if name not in found.sources | {found.own: 0}}
    apart = replace(found, own="")
    found.constraints += apart.add(others.constraints, "constraint-dependencies")
    found.constraints += [line for name in others.constraint_files for line in requirements_file.read(apart, name)]
    found.indexes += others.indexes


def _load_declared(found: Collection, pyproject: Mapping[str, Any], groups: Sequence[str]) -> list[str]:
    """Read `[project] dependencies` and the dependency groups that belong to the runtime requirements."""
    lines = found.add(pyproject.get("project", {}).get("dependencies", []), "[project] dependencies")
    return lines + (_load_groups(found, pyproject.get("dependency-groups", {}), groups) if groups else [])


def _load_extras(found: Collection, extras: Sequence[str]) -> list[str]:
    """Read the requirements of extras, whose names count as those of distributions do (PEP 685)."""
    table = {canonicalize_name(name): lines for name, lines in found.extras.items()}
    has = f"[project.optional-dependencies] has {', '.join(sorted(table)) or 'none'}"
    unknown = [name for name in extras if canonicalize_name(name) not in table]
    found.problems += [f"[tool.estiba] extras: there is no {name!r}, {has}" for name in unknown]
    wanted = [line for name in extras for line in table.get(canonicalize_name(name), ())]
    return found.add(wanted, "[project.optional-dependencies]")


def _load_groups(found: Collection, table: Mapping[str, Any], groups: Sequence[str] | None) -> list[str]:
    wanted = list(groups) if groups is not None else [name for name in DEV_GROUPS if name in table]
    try:
        lines = [line for name in wanted for line in resolve_dependency_groups(table, name)]
    except (LookupError, ValueError, TypeError) as error:
        found.problems.append(f"[dependency-groups]: {error}")
        return []
    except ExceptionGroup as error:
        found.problems.extend(f"[dependency-groups]: {cause}" for cause in error.exceptions)
        return []
    return found.add(lines, "[dependency-groups]")


def _load_first(found: Collection, names: Sequence[str]) -> tuple[str, list[str]]:
    """Read the first of some files that exists."""
    for name in names:
        if (found.folder / name).is_file():
            return name, requirements_file.read(found, name)
    return "", []

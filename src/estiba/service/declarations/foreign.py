"""Tables of other tools that say where packages come from: those of uv, Poetry, PDM, Rye and pip-tools.

What they say is taken over, or it is a problem that names it. Ignored, a public package of the same name would be
locked instead of a private or local one. Formats: uv's, Poetry's, PDM's, Rye's and pip-tools' references of `[tool.*]`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from estiba.service.declarations import direct, workspace
from estiba.service.declarations.direct import DirectError, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

ONLY: Final = "only"
FIRST: Final = "first"
DEFAULT: Final = "default"
LAST: Final = "last"

_MACHINES: Final = ("aarch64", "x86_64")
_POETRY_RANKS: Final = {"default": DEFAULT, "primary": FIRST, "secondary": LAST, "supplemental": LAST, "explicit": ONLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Package index that a project names beside pip's own.

    Attributes:
        name: Its name in the project's files.
        url: Address of its `simple` page, as the project writes it.
        rank: `default` if it stands for pip's own, `first` or `last` for one that is asked before or after that, and
            `only` for one that is asked for `projects` alone, which no other index is asked for.
        projects: Normalised names, or patterns of them.
    """

    name: str
    url: str
    rank: str
    projects: tuple[str, ...] = ()


@dataclass(slots=True, kw_only=True)
class Foreign:
    """What tables of other tools say.

    Attributes:
        sources: Packages from folders and repositories, by normalised name.
        indexes: Package indexes, in the order in which they are asked.
        constraints: Version constraints.
        constraint_files: Files with further ones, as pip has them, relative to the folder of the project.
        build_constraints: Version constraints of the build requirements of sdists.
        dev: Requirements for development that are in no dependency group.
        refused: Sentences about sources that cannot be taken over, by the normalised name of the package.
        problems: A sentence for each other entry that cannot be taken over.
    """

    sources: dict[str, Source] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    constraint_files: list[str] = field(default_factory=list)
    build_constraints: list[str] = field(default_factory=list)
    dev: list[str] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def refuse(self, project: str, problem: str) -> None:
        """Add a sentence about the source of a project."""
        self.refused.setdefault(canonicalize_name(project), []).append(problem)

    def assign(self, index: str, project: str, where: str) -> None:
        """Make an index the only one for a project."""
        found = next((one for one in self.indexes if one.name.lower() == index.lower()), None)
        if found is None:
            self.refuse(project, f"{where}: comes from the index {index!r}, which no table gives an address")
        else:
            routed = Index(name=found.name, url=found.url, rank=ONLY, projects=(canonicalize_name(project),))
            self.indexes.append(routed)

    def place(
        self, project: str, where: str, source: Mapping[str, Any], *, folder: Path, base: Path | None = None
    ) -> None:
        """Add the source of a project that is a table with `git` or `path`, as uv and Poetry write it.

        Args:
            project: Its name.
            where: Place of the table, for messages.
            source: The table.
            folder: Folder of the service.
            base: Folder that a path is relative to; by default that of the service.
        """
        try:
            if "git" in source:
                commit = next((str(source[key]) for key in ("rev", "tag", "branch") if source.get(key)), "")
                url, subdirectory = str(source["git"]), str(source.get("subdirectory", ""))
                found = direct.at_commit(project, url.removeprefix("git+"), commit, subdirectory)
            else:
                found = direct.in_folder(project, str(source["path"]), folder, base=base)
        except DirectError as error:
            self.refuse(project, f"{where}: {error}")
        else:
            self.sources[found.name] = found


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Place of a table of uv.

    Attributes:
        folder: Folder that its paths are relative to.
        members: Globs of the members of its workspace.
        where: Its name, for messages.
    """

    folder: Path
    members: Sequence[str]
    where: str


def read(folder: Path, pyproject: Mapping[str, Any]) -> Foreign:
    """Read the tables of other tools.

    Args:
        folder: Folder of the project, where uv.toml may be.
        pyproject: Parsed pyproject.toml.
    """
    found = Foreign()
    tools = {name: table for name, table in pyproject.get("tool", {}).items() if isinstance(table, dict)}
    for name, read_table in _READERS.items():
        try:
            read_table(found, folder, tools.get(name, {}))
        except (AttributeError, KeyError, TypeError):
            # Only that tool itself could say what is wrong in it.
            found.problems.append(f"[tool.{name}]: is not what {name} reads, so nothing is known of its sources")
    # An index that is only for named projects, and for none that a table names, is asked for nothing.
    found.indexes = [index for index in found.indexes if index.rank != ONLY or index.projects]
    return found


def is_elsewhere(marker: str) -> bool:
    """Return whether an environment marker (PEP 508) is false on all platforms that a service can be locked for."""
    return not any(_holds(marker))


def _holds(marker: str) -> Iterator[bool]:
    if not marker:
        yield True
        return
    for machine in _MACHINES:
        linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": machine}
        yield Marker(marker).evaluate(linux)


def _read_uv(found: Foreign, folder: Path, table: Mapping[str, Any]) -> None:
    own = folder / "uv.toml"
    if own.is_file():
        try:
            table = {**table, **tomllib.loads(own.read_text(encoding="utf-8"))}
        except (RecursionError, ValueError) as error:
            found.problems.append(f"uv.toml: {error}")
    if shared := workspace.find(folder):
        kept = table.get("sources", {}).keys()
        sources = {name: one for name, one in shared.table.get("sources", {}).items() if name not in kept}
        _read_uv_table(found, {**shared.table, "sources": sources}, folder=folder, base=shared.folder)
    _read_uv_table(found, table, folder=folder, base=folder)


def _read_uv_table(found: Foreign, table: Mapping[str, Any], *, folder: Path, base: Path) -> None:
    """Read a table of uv in a folder `base`: the service's own, or that of the root of its workspace."""
    where = "[tool.uv]" if base == folder else f"{os.path.relpath(base, folder)}/pyproject.toml [tool.uv]"
    _read_options(found, where, table)
    _read_options(found, "[tool.uv.pip]", table.get("pip", {}))
    for number, index in enumerate(table.get("index", ()), 1):
        rank = DEFAULT if index.get("default") else ONLY if index.get("explicit") else FIRST
        name = str(index.get("name", f"number {number}"))
        if index.get("format", "simple") != "simple":
            found.problems.append(f"[[tool.uv.index]] {name} is a flat folder of files: put it into pip's find-links")
        found.indexes.append(Index(name=name, url=str(index.get("url", "")), rank=rank))
    found.constraints += map(str, table.get("constraint-dependencies", ()))
    found.build_constraints += map(str, table.get("build-constraint-dependencies", ()))
    found.dev += map(str, table.get("dev-dependencies", ()))
    for line in map(str, table.get("override-dependencies", ())):
        _override(found, f"{where} override-dependencies", line)
    found.problems += [
        f"{where} exclude-dependencies names {name}, and pip leaves out no requirement of a package"
        for name in table.get("exclude-dependencies", ())
    ]
    found.problems += [
        f"{where} dependency-metadata gives {one.get('name', 'a package')} other metadata, and pip reads its own"
        for one in table.get("dependency-metadata", ())
    ]
    members = table.get("workspace", {}).get("members", ())
    for project, given in table.get("sources", {}).items():
        _read_uv_source(found, project, given, folder=folder, place=Place(folder=base, members=members, where=where))


def _override(found: Foreign, where: str, line: str) -> None:
    """Take over an override as a constraint, which holds just as surely; a package that asks for more is an error."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        requirement = None
    if requirement is None or requirement.url or requirement.marker or requirement.extras:
        found.problems.append(f"{where}: {direct.hide(line)!r} is more than a version, and pip has no overrides")
    else:
        found.constraints.append(line)


def _read_uv_source(found: Foreign, project: str, given: object, *, folder: Path, place: Place) -> None:
    where = f"{place.where.removesuffix(']')}.sources] {project}"
    listed: list[Any] = given if isinstance(given, list) else [given]
    try:
        entries = [one for one in listed if not is_elsewhere(str(one.get("marker", "")))]
    except (AttributeError, InvalidMarker) as error:
        found.refuse(project, f"{where}: {str(error).splitlines()[0]}")
        return
    if len(entries) != 1 or not all(_holds(str(entries[0].get("marker", "")))):
        if entries:
            found.refuse(project, f"{where}: has sources that differ by platform or extra; one for all can be locked")
        return
    (source,) = entries
    if "index" in source:
        found.assign(str(source["index"]), project, where)
    elif "git" in source or "path" in source:
        found.place(project, where, source, folder=folder, base=place.folder)
    elif source.get("workspace"):
        _find_member(found, project, where, folder=folder, place=place)
    else:
        shown = "an address" if "url" in source else f"{', '.join(source) or 'nothing'}"
        problem = f"{where}: is taken from {shown}; a folder, a commit of a repository or an index can be locked"
        found.refuse(project, problem)


def _find_member(found: Foreign, project: str, where: str, *, folder: Path, place: Place) -> None:
    """Add the member of a uv workspace that has a name."""
    members = (one for pattern in place.members for one in sorted(place.folder.glob(pattern)) if one.is_dir())
    for member in members:
        if canonicalize_name(direct.read_name(member)) == canonicalize_name(project):
            path = str(member.relative_to(place.folder))
            found.place(project, where, {"path": path}, folder=folder, base=place.folder)
            return
    found.refuse(project, f"{where}: is in a workspace, and no member of [tool.uv.workspace] here has that name")


def _read_poetry(found: Foreign, folder: Path, table: Mapping[str, Any]) -> None:
    for index in table.get("source", ()):
        rank = "default" if index.get("default") else "secondary" if index.get("secondary") else "primary"
        rank = _POETRY_RANKS.get(str(index.get("priority", rank)).lower(), FIRST)
        # PyPI may be named without an address, to give it a place among the others.
        if index.get("url"):
            found.indexes.append(Index(name=str(index.get("name", "")), url=str(index["url"]), rank=rank))
    groups = {"dependencies": table, "dev-dependencies": table}
    tables = [(key, owner.get(key, {})) for key, owner in groups.items()]
    tables += [(f"group.{name}", group.get("dependencies", {})) for name, group in table.get("group", {}).items()]
    for key, dependencies in tables:
        for project, given in dependencies.items():
            for entry in given if isinstance(given, list) else [given]:
                if isinstance(entry, dict):
                    _read_poetry_entry(found, f"[tool.poetry.{key}]", project, entry, folder=folder)


def _read_poetry_entry(found: Foreign, table: str, project: str, entry: Mapping[str, Any], *, folder: Path) -> None:
    where = f"{table} {project}"
    if "git" in entry or "path" in entry:
        found.place(project, where, entry, folder=folder)
    elif "url" in entry:
        found.refuse(project, f"{where}: is taken from an address; require its repository at a commit")
    elif str(entry.get("source", "pypi")).lower() != "pypi":
        found.assign(str(entry["source"]), project, where)


def _read_pdm(found: Foreign, _folder: Path, table: Mapping[str, Any]) -> None:
    for index in table.get("source", ()):
        name, where = str(index.get("name", "")), f"[[tool.pdm.source]] {index.get('name', '')}"
        if index.get("type") == "find_links":
            found.problems.append(f"{where}: is a folder of files: put it into pip's find-links")
        if index.get("exclude_packages"):
            found.problems.append(f"{where}: leaves out some packages (exclude_packages), which pip cannot")
        projects = tuple(sorted(map(str.lower, index.get("include_packages", ()))))
        rank = ONLY if projects else DEFAULT if name == "pypi" else FIRST
        found.indexes.append(Index(name=name, url=str(index.get("url", "")), rank=rank, projects=projects))
    for lines in table.get("dev-dependencies", {}).values():
        found.dev += [str(line).removeprefix("-e ").strip() for line in lines]
    for project, version in table.get("resolution", {}).get("overrides", {}).items():
        text = str(version)
        line = f"{project}{text}" if text[:1] in "<>=!~" else f"{project}=={text}"
        _override(found, "[tool.pdm.resolution.overrides]", line)
    found.problems += [
        f"[tool.pdm.resolution] excludes names {name}, and pip leaves out no requirement of a package"
        for name in table.get("resolution", {}).get("excludes", ())
    ]


def _read_rye(found: Foreign, _folder: Path, table: Mapping[str, Any]) -> None:
    for index in table.get("sources", ()):
        rank = DEFAULT if index.get("name") == "default" else FIRST
        found.indexes.append(Index(name=str(index.get("name", "")), url=str(index.get("url", "")), rank=rank))
    found.dev += map(str, table.get("dev-dependencies", ()))


def _read_pip_tools(found: Foreign, _folder: Path, table: Mapping[str, Any]) -> None:
    _read_options(found, "[tool.pip-tools]", table)
    files = table.get("constraint", ())
    found.constraint_files += [files] if isinstance(files, str) else files


def _read_options(found: Foreign, where: str, table: Mapping[str, Any]) -> None:
    """Read options of pip's command line in a table."""
    if table.get("index-url"):
        found.indexes.append(Index(name=f"{where} index-url", url=str(table["index-url"]), rank=DEFAULT))
    extra = table.get("extra-index-url", ())
    for url in [extra] if isinstance(extra, str) else extra:
        found.indexes.append(Index(name=f"{where} extra-index-url", url=str(url), rank=FIRST))
    if table.get("find-links"):
        found.problems.append(f"{where} find-links: put it into pip's configuration (pip config set global.find-links)")
    if table.get("no-index"):
        found.problems.append(
            f"{where} no-index: put it into pip's configuration (pip config set global.no-index true)"
        )


_READERS: Final[Mapping[str, Callable[[Foreign, Path, Mapping[str, Any]], None]]] = {
    "uv": _read_uv,
    "poetry": _read_poetry,
    "pdm": _read_pdm,
    "rye": _read_rye,
    "pip-tools": _read_pip_tools,
}
"""Readers of the tables, in the order in which their indexes are asked."""

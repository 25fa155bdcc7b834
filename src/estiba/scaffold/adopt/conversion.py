"""Requirements of Poetry and Pipenv, converted to `[project]` and `[dependency-groups]` (PEP 621, 735)."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name, is_normalized_name
from packaging.version import InvalidVersion, Version

from estiba.errors import ConfigError
from estiba.service.declarations.direct import hide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PIPFILE: Final = "Pipfile"
_MARKERS: Final = ("os_name", "platform_machine", "platform_system", "python_version", "sys_platform")
_PARTS: Final = re.compile(r"\s*,\s*|\s+(?=[<>=!~^])")
_OPERATOR: Final = re.compile(r"(\^|~=|~|===?|!=|<=|>=|<|>|=)?\s*(.+)")
_FULL: Final = 3


@dataclass(slots=True, kw_only=True)
class Converted:
    """Requirements of a project in standard form.

    Attributes:
        source: File or table that they come from.
        project: Keys of `[project]`.
        groups: Dependency groups by name.
        indexes: Tables `[[tool.uv.index]]`, for the indexes of a Pipfile.
        sources: Table `[tool.uv.sources]`: the index of each package that has one of its own.
        problems: Sentences about entries that have no standard form.
    """

    source: str
    project: dict[str, Any] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    indexes: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def convert_poetry(folder: Path, table: Mapping[str, Any]) -> Converted:
    """Convert `[tool.poetry]`, with the commits in poetry.lock for repositories that are named by a branch.

    Args:
        folder: Folder of the project.
        table: The table.
    """
    found = Converted(source="[tool.poetry]")
    commits = {
        one["name"]: one.get("source", {}).get("resolved_reference", "") for one in _load_lock(folder, "poetry.lock")
    }
    own = dict(table.get("dependencies", {}))
    python = own.pop("python", "")
    found.project = {"name": str(table.get("name") or folder.resolve().name), "version": str(table.get("version", "0"))}
    try:
        if bounds := _bound(python if isinstance(python, str) else str(python.get("version", ""))):
            found.project["requires-python"] = bounds
    except ValueError as error:
        found.problems.append(f"[tool.poetry.dependencies] python: {error}")
    groups = {name: one.get("dependencies", {}) for name, one in table.get("group", {}).items()}
    groups |= {"dev": {**table["dev-dependencies"], **groups.get("dev", {})}} if "dev-dependencies" in table else {}
    found.project["dependencies"] = sorted(_convert_all(found, own, commits, "[tool.poetry.dependencies]"))
    for name, entries in groups.items():
        found.groups[name] = sorted(_convert_all(found, entries, commits, f"[tool.poetry.group.{name}]"))
    return found


def convert_pipfile(folder: Path) -> Converted:
    """Convert a Pipfile, with the commits in Pipfile.lock for repositories that are named by a branch.

    Raises:
        ConfigError: It is not valid TOML.
    """
    try:
        table = tomllib.loads((folder / _PIPFILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(_PIPFILE, [str(error)]) from error
    found = Converted(source=_PIPFILE)
    name = canonicalize_name(folder.resolve().name)
    found.project = {"name": name if is_normalized_name(name) else "service", "version": "0"}
    lock = folder / "Pipfile.lock"
    locked = json.loads(lock.read_text(encoding="utf-8")) if lock.is_file() else {}
    entries = {**locked.get("develop", {}), **locked.get("default", {})}
    commits = {name: str(one.get("ref", "")) for name, one in entries.items() if isinstance(one, dict)}
    found.project["dependencies"] = sorted(_convert_all(found, table.get("packages", {}), commits, "[packages]"))
    if lines := sorted(_convert_all(found, table.get("dev-packages", {}), commits, "[dev-packages]")):
        found.groups["dev"] = lines
    _convert_indexes(found, table)
    return found


def _convert_indexes(found: Converted, table: Mapping[str, Any]) -> None:
    """Convert the indexes of a Pipfile: the first is that of all packages which name no other."""
    listed: list[Mapping[str, Any]] = [*table.get("source", ()), {}]
    first, others = listed[0], listed[1:]
    if first and first.get("name") != "pypi":
        found.indexes.append({"name": first.get("name", "first"), "url": first.get("url", ""), "default": True})
    found.indexes += [{"name": one["name"], "url": one["url"], "explicit": True} for one in others if "url" in one]
    for section in ("packages", "dev-packages"):
        for name, entry in table.get(section, {}).items():
            index = entry.get("index", first.get("name")) if isinstance(entry, dict) else first.get("name")
            if index != first.get("name"):
                found.sources[name] = {"index": str(index)}


def _convert_all(found: Converted, entries: Mapping[str, Any], commits: Mapping[str, str], where: str) -> Iterator[str]:
    for name, entry in entries.items():
        for one in entry if isinstance(entry, list) else [entry]:
            given = {"version": one} if isinstance(one, str) else one
            try:
                if given.get("optional"):
                    found.problems.append(f"{where} {name} is optional and left out: add it where it is needed")
                elif given.get("path") not in {".", "./"}:
                    yield _convert(name, given, commits.get(name, ""))
            except (AttributeError, ValueError) as error:
                found.problems.append(f"{where} {name}: {error}")


def _convert(name: str, entry: Mapping[str, Any], commit: str) -> str:
    """Return an entry as a requirement.

    Raises:
        ValueError: It has no standard form.
    """
    extras = f"[{','.join(entry['extras'])}]" if entry.get("extras") else ""
    address = next(_find_address(entry, commit), "")
    text = f"{name}{extras} @ {address}" if address else f"{name}{extras}{_bound(str(entry.get('version', '*')))}"
    marker = " and ".join(f"({one})" if " or " in one else one for one in _find_markers(entry))
    return f"{text} ; {marker}" if marker else text


def _find_address(entry: Mapping[str, Any], commit: str) -> Iterator[str]:
    if "git" in entry:
        named = next((str(entry[key]) for key in ("rev", "ref", "tag", "branch") if entry.get(key)), "")
        fragment = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
        yield f"git+{str(entry['git']).removeprefix('git+')}@{commit or named}{fragment}"
    elif "path" in entry:
        yield f"file:./{str(entry['path']).removeprefix('./')}"
    elif address := entry.get("url") or entry.get("file"):
        msg = f"{hide(str(address))} is an address, which cannot be locked: require its repository at a commit"
        raise ValueError(msg)


def _find_markers(entry: Mapping[str, Any]) -> Iterator[str]:
    if python := str(entry.get("python", "")):
        for one in SpecifierSet(_bound(python)):
            variable = "python_full_version" if len(one.version.split(".")) >= _FULL else "python_version"
            yield f'{variable} {one.operator} "{one.version}"'
    if platform := entry.get("platform"):
        yield f'sys_platform == "{platform}"'
    if entry.get("markers"):
        yield str(entry["markers"])
    yield from (f"{name} {entry[name]}" for name in _MARKERS if name in entry)


def _bound(text: str) -> str:
    """Return a version constraint of Poetry as a version specifier (PEP 440), sorted.

    Raises:
        ValueError: It has alternatives, or is malformed.
    """
    if "|" in text:
        msg = f"{text!r} has alternatives, which no requirement can have: take one of them"
        raise ValueError(msg)
    parts = [part for part in _PARTS.split(text.strip()) if part and part != "*"]
    try:
        return ",".join(str(SpecifierSet(",".join(bound for part in parts for bound in _bound_part(part)))).split(","))
    except (InvalidSpecifier, InvalidVersion) as error:
        msg = f"{text!r} is not a version constraint"
        raise ValueError(msg) from error


def _bound_part(part: str) -> list[str]:
    operator, version = _OPERATOR.fullmatch(part).groups(default="")  # type: ignore[union-attr] # matches what is there
    if operator not in {"^", "~"}:
        return [f"{'==' if operator in {'', '='} else operator}{version}"]
    release = list(Version(version).release)
    kept = next((at for at, number in enumerate(release) if number), len(release) - 1)
    kept = kept if operator == "^" else min(1, len(release) - 1)
    upper = [*release[:kept], release[kept] + 1]
    return [f">={version}", f"<{'.'.join(map(str, upper))}"]


def _load_lock(folder: Path, name: str) -> list[Mapping[str, Any]]:
    """Return the packages in a lock file that is TOML, none where there is no such file."""
    try:
        found: list[Mapping[str, Any]] = tomllib.loads((folder / name).read_text(encoding="utf-8")).get("package", [])
    except (OSError, ValueError):
        return []
    return found

"""Lock files of other tools, from whose versions the first lock of a service starts."""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from packaging.markers import InvalidMarker, Marker, UndefinedEnvironmentName
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from estiba.lock.python import graph
from estiba.lock.python.pins import Pin
from estiba.service.declarations import workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_PINNED: Final = re.compile(
    r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?[ \t]*===?[ \t]*([^\s;\\#]+)(?:[ \t]*;([^\\#\n]*))?", re.MULTILINE
)
_FOR_PYPROJECT: Final = re.compile(r"^#.*(?:pip-compile|pip compile)\b.*\bpyproject\.toml\b", re.MULTILINE)
_INCLUDED: Final = re.compile(r"^(?:-r ?|--requirement[ =])([^\s#]+\.in)\s*(?:#.*)?$", re.MULTILINE)
_LOOSE: Final = ("requirements.in", "requirements-dev.in")
_OF_WORKSPACES: Final = "uv.lock"
_COMPILED: Final = "requirements.txt"
_Found: TypeAlias = "tuple[str, str, list[str]]"
"""Name, version, and markers of which one has to hold; none for everywhere."""


def read(folder: Path, python: str, platforms: Sequence[str]) -> tuple[str, list[Pin]]:
    """Return the name of the lock file that a project has, and its pins; those of indexes alone.

    A project that has several is locked by the first of: uv.lock, also that of its workspace, pylock.toml, poetry.lock,
    pdm.lock, Pipfile.lock, and the files that pip-compile writes beside `requirements.in` or for `pyproject.toml`. Of a
    distribution with several versions that is the pin whose markers hold for the Python on a platform, if it is the
    only one.

    Args:
        folder: Folder of the service.
        python: Minor version, such as `3.13`.
        platforms: Nix system names that are locked for.
    """
    # The last release of the minor version, which nobody knows: none of its markers tells them apart.
    environments = [graph.environment(f"{python}.99", platform) for platform in platforms]
    for name, parse in _FORMATS.items():
        if path := _find(folder, name):
            try:
                return name, _unite(parse(path.read_text(encoding="utf-8-sig")), environments)
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
                # What another tool wrote and this one cannot read is a start that is missed, and no reason to stop.
                continue
    found = [_split(line) for name in _find_compiled(folder) for line in _PINNED.findall(_read_text(folder / name))]
    return _COMPILED if found else "", _unite(found, environments)


def compare(before: Iterable[Pin], after: Iterable[Pin]) -> list[tuple[str, str, str]]:
    """Return name, version in the other lock, and locked version of each distribution that changed its version."""
    versions = {pin.name: pin.version for pin in before}
    changed = {(pin.name, versions[pin.name], pin.version) for pin in after if pin.name in versions}
    return sorted(one for one in changed if one[1] != one[2])


def _find(folder: Path, name: str) -> Path | None:
    """Return the lock file of a name; uv writes that of a member of a workspace beside the root of it."""
    shared = workspace.find(folder) if name == _OF_WORKSPACES else None
    places = [folder, shared.folder] if shared else [folder]
    return next((place / name for place in places if (place / name).is_file()), None)


def _unite(entries: Iterable[_Found], environments: Sequence[Mapping[str, str]]) -> list[Pin]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, version, markers in entries:
        try:
            if not markers or any(_holds(marker, one) for marker in markers for one in environments):
                found[canonicalize_name(name)].add(str(Version(version)))
        except InvalidVersion:
            continue
    return [Pin(name=name, version=min(versions)) for name, versions in sorted(found.items()) if len(versions) == 1]


def _holds(marker: str, environment: Mapping[str, str]) -> bool:
    try:
        return Marker(marker).evaluate(dict(environment))
    except (InvalidMarker, UndefinedEnvironmentName):
        # Such as Poetry's `extra`: whether it applies is not known.
        return True


def _parse_uv(text: str) -> Iterator[_Found]:
    for package in tomllib.loads(text).get("package", []):
        if "registry" in package.get("source", {}):
            yield package["name"], package["version"], package.get("resolution-markers", [])


def _parse_poetry(text: str) -> Iterator[_Found]:
    for package in tomllib.loads(text).get("package", []):
        if package.get("source", {}).get("type", "legacy") == "legacy":
            # By groups where they differ.
            markers = package.get("markers", [])
            listed = list(markers.values()) if isinstance(markers, dict) else [markers] if markers else []
            yield package["name"], package["version"], listed


def _parse_pdm(text: str) -> Iterator[_Found]:
    for package in tomllib.loads(text).get("package", []):
        if not package.keys() & {"git", "path", "url"}:
            yield package["name"], package["version"], _listed(package)


def _parse_pylock(text: str) -> Iterator[_Found]:
    for package in tomllib.loads(text).get("packages", []):
        if not package.keys() & {"archive", "directory", "vcs"} and "version" in package:
            yield package["name"], package["version"], _listed(package)


def _parse_pipfile(text: str) -> Iterator[_Found]:
    data: Mapping[str, Mapping[str, Any]] = json.loads(text)
    # Every table but that about the file is a category of packages, of any name.
    for name, entry in (pair for category in data.keys() - {"_meta"} for pair in data[category].items()):
        if "version" in entry:
            yield name, entry["version"].lstrip("="), []


def _listed(package: Mapping[str, Any]) -> list[str]:
    return [package["marker"]] if package.get("marker") else []


def _split(found: tuple[str, str, str]) -> _Found:
    name, version, marker = found
    return name, version, [marker.strip()] if marker.strip() else []


_FORMATS: Final[Mapping[str, Callable[[str], Iterable[_Found]]]] = {
    _OF_WORKSPACES: _parse_uv,
    "pylock.toml": _parse_pylock,
    "poetry.lock": _parse_poetry,
    "pdm.lock": _parse_pdm,
    "Pipfile.lock": _parse_pipfile,
}


def _read_text(path: Path) -> str:
    """Return the text of a file, empty for one that is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return ""


def _find_compiled(folder: Path) -> list[str]:
    """Return the compiled files beside the loose ones that a service is locked from, and beside those they include.

    Those for pyproject.toml may have any name, and say it themselves.
    """
    todo, seen = [name for name in _LOOSE if (folder / name).is_file()], set()
    files = (path for glob in ("requirements*.txt", "requirements/*.txt") for path in sorted(folder.glob(glob)))
    found = [str(path.relative_to(folder)) for path in files if _FOR_PYPROJECT.search(_read_text(path))]
    while todo:
        path = folder / todo.pop(0)
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        compiled = path.with_suffix(".txt")
        if compiled.is_file():
            found.append(str(compiled.relative_to(folder)))
        included = (path.parent / name for name in _INCLUDED.findall(_read_text(path)))
        todo += [str(one.relative_to(folder)) for one in included if one.is_relative_to(folder)]
    return found

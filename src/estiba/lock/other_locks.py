"""Lock files of other tools, from whose versions the first lock of a service starts."""

from __future__ import annotations

import json
import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from estiba.lock.python.pins import Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

_PINNED: Final = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;\\#]+)", re.MULTILINE)
_INCLUDED: Final = re.compile(r"^(?:-r|--requirement)[ =]([^\s#]+\.in)\s*(?:#.*)?$", re.MULTILINE)
_LOOSE: Final = ("requirements.in", "requirements-dev.in")


def read(folder: Path) -> tuple[str, list[Pin]]:
    """Return the name of the lock file that a project has, and its pins; those of indexes alone.

    A project that has several is locked by the first of: uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, and
    the files that pip-compile writes beside `requirements.in`. A distribution with several versions has no pin.
    """
    for name, parse in _FORMATS.items():
        if (folder / name).is_file():
            try:
                return name, _unite(parse((folder / name).read_text(encoding="utf-8")))
            except (AttributeError, KeyError, TypeError, ValueError):
                # What another tool wrote and this one cannot read is a start that is missed, and no reason to stop.
                continue
    pairs = [pair for name in _find_compiled(folder) for pair in _PINNED.findall((folder / name).read_text("utf-8"))]
    return "requirements.txt" if pairs else "", _unite(pairs)


def compare(before: Iterable[Pin], after: Iterable[Pin]) -> list[tuple[str, str, str]]:
    """Return name, version in the other lock, and locked version of each distribution that changed its version."""
    versions = {pin.name: pin.version for pin in before}
    changed = {(pin.name, versions[pin.name], pin.version) for pin in after if pin.name in versions}
    return sorted(one for one in changed if one[1] != one[2])


def _unite(pairs: Iterable[tuple[str, str]]) -> list[Pin]:
    found: dict[str, set[str]] = defaultdict(set)
    for name, version in pairs:
        try:
            found[canonicalize_name(name)].add(str(Version(version)))
        except InvalidVersion:
            continue
    return [Pin(name=name, version=min(versions)) for name, versions in sorted(found.items()) if len(versions) == 1]


def _parse_uv(text: str) -> Iterator[tuple[str, str]]:
    for package in tomllib.loads(text).get("package", []):
        if "registry" in package.get("source", {}):
            yield package["name"], package["version"]


def _parse_poetry(text: str) -> Iterator[tuple[str, str]]:
    for package in tomllib.loads(text).get("package", []):
        if package.get("source", {}).get("type", "legacy") == "legacy":
            yield package["name"], package["version"]


def _parse_pdm(text: str) -> Iterator[tuple[str, str]]:
    for package in tomllib.loads(text).get("package", []):
        if not package.keys() & {"git", "path", "url"}:
            yield package["name"], package["version"]


def _parse_pylock(text: str) -> Iterator[tuple[str, str]]:
    for package in tomllib.loads(text).get("packages", []):
        if not package.keys() & {"archive", "directory", "vcs"} and "version" in package:
            yield package["name"], package["version"]


def _parse_pipfile(text: str) -> Iterator[tuple[str, str]]:
    data: Mapping[str, Mapping[str, Any]] = json.loads(text)
    for name, entry in [*data.get("default", {}).items(), *data.get("develop", {}).items()]:
        if "version" in entry:
            yield name, entry["version"].lstrip("=")


_FORMATS: Final[Mapping[str, Callable[[str], Iterable[tuple[str, str]]]]] = {
    "uv.lock": _parse_uv,
    "pylock.toml": _parse_pylock,
    "poetry.lock": _parse_poetry,
    "pdm.lock": _parse_pdm,
    "Pipfile.lock": _parse_pipfile,
}


def _find_compiled(folder: Path) -> list[str]:
    """Return the compiled files beside the loose ones that a service is locked from, and beside those they include."""
    todo, seen = [name for name in _LOOSE if (folder / name).is_file()], set()
    found = []
    while todo:
        path = folder / todo.pop(0)
        if path in seen or not path.is_file():
            continue
        seen.add(path)
        compiled = path.with_suffix(".txt")
        if compiled.is_file():
            found.append(str(compiled.relative_to(folder)))
        included = (path.parent / name for name in _INCLUDED.findall(path.read_text(encoding="utf-8")))
        todo += [str(one.relative_to(folder)) for one in included if one.is_relative_to(folder)]
    return found

"""Shared libraries that the programs of a root would not find when they are started."""

import posixpath
import re
from collections.abc import Collection, Iterator

import debian
import elf
from entries import Entries

_PROGRAMS = re.compile(r"usr/s?bin/[^/]+|usr/lib/python3\.\d+/lib-dynload/[^/]+")
_RECORDS = re.compile(r"var/lib/dpkg/status\.d/([^/]+)\.md5sums")


def find_missing(root: Entries) -> dict[str, list[str]]:
    """Return the libraries that are not where the loader looks, with the files that need them.

    What counts is what is loaded: programs, libraries in the loader's default folders, Python's extension modules, and
    what these need in turn. Plugins in folders of their own are loaded on demand, by programs that can do without.
    """
    default = (f"usr/lib/{debian.triplet(root)}", "usr/lib", "usr/lib64")
    # A library that is reached from one with folders of its own is looked for there, too.
    todo: list[tuple[str, tuple[str, ...]]] = [(path, ()) for path in _list_loaded(root, default)]
    seen: set[str] = set()
    missing: dict[str, set[str]] = {}
    while todo:
        path, inherited = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        needs = elf.read(root.items[path].read())
        folders = (*(_expand(folder, path, default[0]) for folder in needs.folders), *inherited)
        for name in needs.needed:
            found = _find(root, name, (*folders, *default))
            if found:
                todo.append((found, folders))
            else:
                missing.setdefault(name, set()).add(path)
    return {name: sorted(paths) for name, paths in sorted(missing.items())}


def explain(missing: dict[str, list[str]], root: Entries, allowed: Collection[str]) -> list[str]:
    """Return a sentence about each missing library, without those that only packages need which may lack some.

    Args:
        missing: Result of `find_missing`.
        root: The root.
        allowed: Names of packages that may lack libraries.
    """
    lines = []
    for name, paths in missing.items():
        users = {path: owner for path in paths if (owner := _find_owner(root, path)) not in allowed}
        if not users:
            continue
        needed = ", ".join(f"/{path} of {owner}" for path, owner in users.items())
        elsewhere = [path for path in root.items if path.endswith(f"/{name}")]
        where = f", and it is only at /{elsewhere[0]} of {_find_owner(root, elsewhere[0])}" if elsewhere else ""
        lines.append(f"{name} is needed by {needed}{where}")
    return lines


def _list_loaded(root: Entries, default: tuple[str, ...]) -> Iterator[str]:
    for path, entry in root.items.items():
        folder, _, name = path.rpartition("/")
        if (_PROGRAMS.fullmatch(path) or (folder in default and ".so" in name)) and entry.content is not None:
            yield path


def _expand(folder: str, path: str, libraries: str) -> str:
    """Replace what the loader replaces in a folder's name (ld.so(8), "Dynamic string tokens")."""
    for token, value in (("ORIGIN", f"/{posixpath.dirname(path)}"), ("LIB", libraries.removeprefix("usr/"))):
        folder = folder.replace(f"${{{token}}}", value).replace(f"${token}", value)
    return folder


def _find(root: Entries, name: str, folders: tuple[str, ...]) -> str | None:
    places = (name,) if "/" in name else (f"{folder}/{name}" for folder in folders)
    return next((found for place in places if (found := root.resolve(place))), None)


def _find_owner(root: Entries, path: str) -> str:
    """Name the package of a file by the checksums that dpkg keeps of it."""
    for record, entry in root.items.items():
        if match := _RECORDS.fullmatch(record):
            files = (line.partition("  ")[2] for line in entry.read().decode().splitlines())
            if path in map(debian.merge, files):
                return match[1]
    return "no package"

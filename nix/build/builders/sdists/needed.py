"""The shared libraries that a built wheel is linked with, and the Debian packages that the image lacks for them."""

import re
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import elf

_SHARED = re.compile(r"\.so(\.[^/]+)?$")
_RECORDS = "var/lib/dpkg/status.d"


def read(wheel: Path) -> set[str]:
    """Return the names of the libraries that the shared libraries and extension modules in a wheel need."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if _SHARED.search(name)]
        return {needed for name in names for needed in elf.read(archive.read(name)).needed}


def find_missing(needed: Iterable[str], *, toolchain: Path, runtime: Path) -> dict[str, str]:
    """Return each needed library that the toolchain has and the image has not, with the Debian package it is in.

    Args:
        needed: Names of libraries.
        toolchain: The root that the wheel was built in.
        runtime: The root that it will run in.
    """
    present = {path.name for path in _libraries(runtime)}
    found = {path.name: path for path in _libraries(toolchain)}
    missing = sorted(name for name in set(needed) - present if name in found)
    return {name: _owner(found[name].resolve(), toolchain) for name in missing}


def _libraries(tree: Path) -> Iterator[Path]:
    return (path for path in tree.glob("usr/lib/**/*.so*") if _SHARED.search(path.name))


def _owner(library: Path, tree: Path) -> str:
    """Name the package of a file by the checksums that dpkg keeps of it; old ones say /lib for /usr/lib."""
    place = str(library.relative_to(tree)).removeprefix("usr/")
    for record in sorted((tree / _RECORDS).glob("*.md5sums")):
        files = (line.partition("  ")[2].removeprefix("usr/") for line in record.read_text().splitlines())
        if place in files:
            return record.name.removesuffix(".md5sums")
    return library.name

"""Check that the shared libraries that wheels need are in the wheels or in the locked Debian packages."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from estiba.errors import ResolutionError
from estiba.lock.python import elf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

_SHARED: Final = re.compile(r"\.so(\.[^/]+)?$")


def read_libraries(path: Path) -> tuple[set[str], set[str]]:
    """Return the file names of the shared libraries in a wheel, and of those that they need (DT_NEEDED)."""
    own: set[str] = set()
    needed: set[str] = set()
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if _SHARED.search(name):
                own.add(name.rsplit("/", 1)[-1])
                needed.update(elf.read_needed(wheel.read(name)))
    return own, needed


def find_missing(wheels: Mapping[str, Path], provided: Iterable[str]) -> dict[str, list[str]]:
    """Return the libraries that no wheel and no Debian package contains, with the wheels that need them.

    Args:
        wheels: Path of each wheel of one platform by file name; a wheel may use the libraries of another.
        provided: File names of the libraries in the platform's Debian packages; not read further than is needed.
    """
    found = {name: read_libraries(path) for name, path in wheels.items()}
    own = {library for libraries, _ in found.values() for library in libraries}
    missing: dict[str, list[str]] = defaultdict(list)
    for name, (_, needed) in sorted(found.items()):
        for library in sorted(needed - own):
            missing[library].append(name)
    remaining = iter(provided)
    while missing and (library := next(remaining, "")):
        missing.pop(library, None)
    return dict(missing)


def judge_missing(
    missing: Mapping[str, Mapping[str, list[str]]],
    find_packages: Callable[[str, list[str]], Mapping[str, list[str]] | None],
    *,
    choices: Mapping[str, str],
) -> list[str]:
    """Refuse missing libraries that Debian has, and return a warning for each of the others.

    A library that Debian does not have, such as CUDA's, cannot be added, and the wheel may do without: a library of a
    backend that is loaded when it is used.

    Args:
        missing: Result of `find_missing` by platform.
        find_packages: Returns the Debian packages that contain each of some libraries, for a platform; None if that
            cannot be told.
        choices: `allow` or `refuse` by normalised name of a distribution: whether its wheels may miss any library
            without a warning, or none.

    Raises:
        ResolutionError: A library is missing; the message lists all, with the wheels that need them and the packages.
    """
    wanted = {platform: _leave_allowed(libraries, choices) for platform, libraries in missing.items()}
    names = sorted({library for libraries in wanted.values() for library in libraries})
    # Debian has the same packages for all platforms, so one index is enough.
    packages = find_packages(min(platform for platform in wanted if wanted[platform]), names) if names else {}
    refused: list[str] = []
    warned: list[str] = []
    suggested: set[str] = set()
    for platform, library, wheels in _list(wanted):
        having = [] if packages is None else packages.get(library, [])
        suggested.update(having[:1])
        line = f"{', '.join(wheels)} ({platform}) needs {library}, which {_tell(having, known=packages is not None)}"
        strict = any(choices.get(_name(wheel)) == "refuse" for wheel in wheels)
        (refused if having or strict or packages is None else warned).append(line)
    if refused:
        listed = "".join(f"\n  - {line}" for line in refused)
        msg = f"some wheels need shared libraries that the image would not have:{listed}"
        raise ResolutionError(msg, hint=_advise(suggested))
    return warned


def _leave_allowed(libraries: Mapping[str, list[str]], choices: Mapping[str, str]) -> dict[str, list[str]]:
    left = {
        library: [wheel for wheel in wheels if choices.get(_name(wheel)) != "allow"]
        for library, wheels in libraries.items()
    }
    return {library: wheels for library, wheels in left.items() if wheels}


def _list(wanted: Mapping[str, Mapping[str, list[str]]]) -> Iterator[tuple[str, str, list[str]]]:
    for platform, libraries in wanted.items():
        yield from ((platform, library, wheels) for library, wheels in libraries.items())


def _tell(having: Sequence[str], *, known: bool) -> str:
    if having:
        return f"is in Debian's {' or '.join(having)}"
    return (
        "is in no Debian package of this release" if known else "the image lacks; no index of Debian's files is reached"
    )


def _advise(suggested: Iterable[str]) -> str:
    wanted = ", ".join(f'"{name}"' for name in sorted(suggested))
    if wanted:
        return f"add to [tool.estiba]: debian = [{wanted}]"
    return (
        "take a version of the wheel that bundles it, or, where the service does not use what needs it, add to"
        ' [tool.estiba]: missing-libraries = {NAME = "allow"}'
    )


def _name(wheel: str) -> str:
    """Return the normalised name of the distribution of a wheel's file name (PEP 427)."""
    return canonicalize_name(wheel.partition("-")[0])

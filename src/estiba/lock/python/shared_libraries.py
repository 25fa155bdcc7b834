"""Check that the shared libraries that wheels need are in the wheels or in the locked Debian packages."""

from __future__ import annotations

import re
import zipfile
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from estiba.errors import ResolutionError
from estiba.lock.python import elf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

_SHARED: Final = re.compile(r"\.so(\.[0-9.]+)?$")


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
        provided: File names of the libraries in the platform's Debian packages.
    """
    found = {name: read_libraries(path) for name, path in wheels.items()}
    present = set(provided).union(*(own for own, _ in found.values())) if found else set(provided)
    missing: dict[str, list[str]] = defaultdict(list)
    for name, (_, needed) in sorted(found.items()):
        for library in sorted(needed - present):
            missing[library].append(name)
    return dict(missing)


def refuse_missing(
    missing: Mapping[str, Mapping[str, list[str]]], find_packages: Callable[[str, list[str]], Mapping[str, list[str]]]
) -> None:
    """Raise one error with all missing libraries, the wheels that need them and the Debian packages that have them.

    Args:
        missing: Result of `find_missing` by platform.
        find_packages: Returns the Debian packages that contain each of some libraries, for a platform.

    Raises:
        ResolutionError: A library is missing.
    """
    lines = []
    suggested: set[str] = set()
    names = sorted({library for libraries in missing.values() for library in libraries})
    # Debian has the same packages for all platforms, so one index is enough.
    packages = find_packages(min(platform for platform in missing if missing[platform]), names) if names else {}
    for platform, libraries in missing.items():
        for library, needing in libraries.items():
            having = packages.get(library, [])
            suggested.update(having[:1])
            where = f"is in Debian's {' or '.join(having)}" if having else "is in no Debian package of this release"
            lines.append(f"{', '.join(needing)} ({platform}) needs {library}, which {where}")
    if not lines:
        return
    listed = "".join(f"\n  - {line}" for line in lines)
    msg = f"some wheels need shared libraries that the image would not have:{listed}"
    wanted = ", ".join(f'"{name}"' for name in sorted(suggested))
    hint = f"add to [tool.estiba]: debian = [{wanted}]" if wanted else "take a version of the wheel that bundles it"
    raise ResolutionError(msg, hint=hint)

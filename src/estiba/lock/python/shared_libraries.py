"""Check that the shared libraries which wheels need are in the wheels or in the Debian closure."""

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
    """Return the names of the shared libraries in a wheel, and the names of those that it needs."""
    own: set[str] = set()
    needed: set[str] = set()
    with zipfile.ZipFile(path) as wheel:
        for name in wheel.namelist():
            if _SHARED.search(name):
                own.add(name.rsplit("/", 1)[-1])
                needed.update(elf.read_needed(wheel.read(name)))
    return own, needed


def find_missing(wheels: Mapping[str, Path], provided: Iterable[str]) -> dict[str, list[str]]:
    """Return each library that no wheel and no Debian package brings, with the wheels that need it.

    Args:
        wheels: File name and path of every wheel of one platform; one may use the libraries of another.
        provided: Library names in the platform's Debian packages.
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
    """Raise one error that names every missing library, who needs it and which package has it.

    Args:
        missing: By platform, what `find_missing` returned.
        find_packages: Looks up, for a platform, the Debian packages that have each of some libraries.

    Raises:
        ResolutionError: Anything is missing.
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

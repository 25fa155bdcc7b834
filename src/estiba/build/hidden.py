"""Modules that nothing can import in a service, since a folder or a file of its own has their name."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_name

from estiba import files
from estiba.build.flake import LOCK
from estiba.lock import model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.lock.model import Distribution
    from estiba.service.project import Project

_HARMLESS: Final = frozenset({"__main__", "antigravity", "test", "this"})
"""Modules of Python that no program imports."""


def find(project: Project) -> list[str]:
    """Return a sentence for each module of a service that hides one of Python or of a locked distribution.

    The folder of manage.py is the first place where Python looks. Distributions are known by their names alone, as
    nothing is unpacked to find what else they are imported as.
    """
    if not project.manage:
        return []
    own = sorted(_list_modules(project))
    return [*_find_standard(own), *_find_distributions(own, project)]


def _list_modules(project: Project) -> Iterator[str]:
    """Yield the names that can be imported from the folder of manage.py."""
    for entry in (project.folder / project.manage).parent.iterdir():
        if entry.suffix == ".py":
            yield entry.stem
        elif (entry / "__init__.py").is_file():
            yield entry.name


def _find_standard(own: list[str]) -> Iterator[str]:
    for name in own:
        if name in sys.stdlib_module_names - _HARMLESS:
            yield f"{name} of the service hides Python's module {name} from all packages: rename it"


def _find_distributions(own: list[str], project: Project) -> Iterator[str]:
    path = project.folder / LOCK
    if not path.exists():
        return
    locked = [one for one in model.parse(files.read(path)).distributions if "runtime" in one.groups]
    others = {one.name: one for one in locked if one.kind != "local"}
    for name in own:
        if found := others.get(canonicalize_name(name)):
            yield f"{name} of the service hides the locked package {found.name} {_tell_users(found, locked)}: rename it"


def _tell_users(found: Distribution, locked: list[Distribution]) -> str:
    users = sorted(one.name for one in locked if found.name in one.requires)
    return f"from {', '.join(users)}" if users else "from itself"

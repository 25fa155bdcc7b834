"""What of a lock the Nix store lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.lock.model import Deb, Distribution
from estiba.lock.python import pip
from estiba.nix import commands as nix
from estiba.nix.store_path import fixed_output, store_name
from estiba.process import run

if TYPE_CHECKING:
    from estiba.lock.model import Lock
    from estiba.process import Runner

_IN_IMAGE: Final = frozenset({"base", "service", "runtime"})
"""Groups of the lock whose artifacts every machine needs, whichever platform it builds on."""

_FOR_CHECKS: Final = frozenset({"check", "dev"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """What is to be fetched.

    Attributes:
        debs: Debian packages that the store lacks.
        distributions: Wheels and sdists that it lacks.
        present: How many artifacts it has already.
    """

    debs: tuple[Deb, ...]
    distributions: tuple[Distribution, ...]
    present: int

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(deb.size for deb in self.debs) + sum(one.size for one in self.distributions)

    @property
    def files(self) -> tuple[str, ...]:
        """File names to fetch, sorted."""
        return tuple(sorted({*(deb.file for deb in self.debs), *(one.file for one in self.distributions)}))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"bytes": self.size, "files": list(self.files), "present": self.present}


def plan(
    lock: Lock, *, everything: bool = False, image: bool = False, host: str = "", runner: Runner = run
) -> FetchPlan:
    """Compare a lock with the store.

    Args:
        lock: The lock.
        everything: Whether to fetch what builds and checks need on other platforms, too.
        image: Whether to leave out what only checks need.
        host: The platform that builds and checks run on; by default this machine's.
        runner: Asks Nix.
    """
    here = host or pip.host_platform()
    wanted = {
        path_of(one): one
        for one in lock.artifacts
        if (everything or _IN_IMAGE & set(one.groups) or here in one.platforms)
        and not (image and _FOR_CHECKS.issuperset(one.groups))
    }
    missing = [wanted[path] for path in nix.find_invalid(sorted(wanted), runner=runner)]
    return FetchPlan(
        debs=tuple(one for one in missing if isinstance(one, Deb)),
        distributions=tuple(one for one in missing if isinstance(one, Distribution)),
        present=len(wanted) - len(missing),
    )


def path_of(one: Deb | Distribution) -> str:
    """Return the store path of an artifact."""
    return fixed_output(store_name(one.file), one.sha256)

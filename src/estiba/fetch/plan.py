"""Fetch plan: the artifacts of a lock that the Nix store lacks."""

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
"""Groups whose artifacts are needed on every machine, since images of all platforms are built there."""

_FOR_CHECKS: Final = frozenset({"check", "dev"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPlan:
    """Artifacts to download.

    Attributes:
        debs: Debian packages that the store lacks.
        distributions: Wheels and sdists that the store lacks.
        present: Number of artifacts that are in the store.
    """

    debs: tuple[Deb, ...]
    distributions: tuple[Distribution, ...]
    present: int

    @property
    def size(self) -> int:
        """Size of the download in bytes."""
        return sum(deb.size for deb in self.debs) + sum(artifact.size for artifact in self.distributions)

    @property
    def files(self) -> tuple[str, ...]:
        """File names to download, sorted."""
        return tuple(sorted({*(deb.file for deb in self.debs), *(artifact.file for artifact in self.distributions)}))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `--json`."""
        return {"bytes": self.size, "files": list(self.files), "present": self.present}


def plan(
    lock: Lock, *, everything: bool = False, image: bool = False, host: str = "", runner: Runner = run
) -> FetchPlan:
    """Return the artifacts of a lock that the store lacks.

    Args:
        lock: Lock to fetch.
        everything: Include artifacts that only builds and checks on other platforms need.
        image: Leave out artifacts that only checks need.
        host: Nix system name of the platform that builds and checks run on; by default that of this machine.
        runner: Runs Nix.
    """
    here = host or pip.host_platform()
    wanted = {
        artifact_path(artifact): artifact
        for artifact in lock.artifacts
        if (everything or _IN_IMAGE & set(artifact.groups) or here in artifact.platforms)
        and not (image and _FOR_CHECKS.issuperset(artifact.groups))
    }
    missing = [wanted[path] for path in nix.find_invalid(sorted(wanted), runner=runner)]
    return FetchPlan(
        debs=tuple(artifact for artifact in missing if isinstance(artifact, Deb)),
        distributions=tuple(artifact for artifact in missing if isinstance(artifact, Distribution)),
        present=len(wanted) - len(missing),
    )


def artifact_path(artifact: Deb | Distribution) -> str:
    """Return the store path of an artifact, which need not be in the store."""
    return fixed_output(store_name(artifact.file), artifact.sha256)

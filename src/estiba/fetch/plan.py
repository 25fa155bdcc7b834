"""Fetch plan: the artifacts of a lock that the Nix store lacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.lock.model import Deb, Distribution
from estiba.lock.python import pip
from estiba.nix import commands as nix
from estiba.nix.store_path import fixed_output, store_name
from estiba.process import run
from estiba.service import frontend
from estiba.service import project as projects
from estiba.service.frontend import Tarball

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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
        tarballs: npm packages that the store lacks.
        present: Number of artifacts that are in the store.
    """

    debs: tuple[Deb, ...]
    distributions: tuple[Distribution, ...]
    present: int
    tarballs: tuple[Tarball, ...] = ()

    @property
    def size(self) -> int:
        """Size of the download in bytes; package-lock.json does not have that of npm packages."""
        return sum(deb.size for deb in self.debs) + sum(artifact.size for artifact in self.distributions)

    @property
    def files(self) -> tuple[str, ...]:
        """File names to download, sorted."""
        artifacts: tuple[Deb | Distribution | Tarball, ...] = (*self.debs, *self.distributions, *self.tarballs)
        return tuple(sorted({artifact.file for artifact in artifacts}))

    def to_dict(self) -> dict[str, Any]:
        """Return the plan in the form of `--json`."""
        return {"bytes": self.size, "files": list(self.files), "present": self.present}


def plan(
    lock: Lock,
    *,
    folder: Path | None = None,
    everything: bool = False,
    image: bool = False,
    host: str = "",
    runner: Runner = run,
) -> FetchPlan:
    """Return the artifacts of a lock, and of a service's front end, that the store lacks.

    Args:
        lock: Lock to fetch.
        folder: Folder of the service; by default its front end is left out.
        everything: Include artifacts that only builds and checks on other platforms need.
        image: Leave out artifacts that only checks need.
        host: Nix system name of the platform that builds and checks run on; by default that of this machine.
        runner: Runs Nix.
    """
    here = host or pip.host_platform()
    wanted: dict[str, Deb | Distribution | Tarball] = {
        artifact_path(artifact): artifact
        for artifact in lock.artifacts
        if (everything or _IN_IMAGE & set(artifact.groups) or here in artifact.platforms)
        and not (image and _FOR_CHECKS.issuperset(artifact.groups))
    }
    platforms = {here, *lock.platforms} if everything else {here}
    wanted |= {artifact_path(tarball): tarball for tarball in _find_tarballs(folder, platforms)}
    missing = [wanted[path] for path in nix.find_invalid(sorted(wanted), runner=runner)]
    return FetchPlan(
        debs=tuple(artifact for artifact in missing if isinstance(artifact, Deb)),
        distributions=tuple(artifact for artifact in missing if isinstance(artifact, Distribution)),
        tarballs=tuple(artifact for artifact in missing if isinstance(artifact, Tarball)),
        present=len(wanted) - len(missing),
    )


def artifact_path(artifact: Deb | Distribution | Tarball) -> str:
    """Return the store path of an artifact, which need not be in the store."""
    digest = f"sha512:{artifact.sha512}" if isinstance(artifact, Tarball) else artifact.sha256
    return fixed_output(store_name(artifact.file), digest)


def _find_tarballs(folder: Path | None, platforms: Iterable[str]) -> set[Tarball]:
    """Return the tarballs of a service's front end, if it has one."""
    settings = projects.load(folder).frontend if folder else None
    if folder is None or settings is None:
        return set()
    return {tarball for platform in platforms for tarball in frontend.read(folder, settings, platform)}

"""Bring what a lock names into the Nix store."""

from __future__ import annotations

import re
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import nix
from estiba.errors import ArtifactError, CommandError
from estiba.lock import apt, debs, pip
from estiba.lock.interpreter import drive
from estiba.lock.model import Deb, Distribution
from estiba.process import run
from estiba.storepath import fixed_output, store_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from estiba.lock.model import Lock
    from estiba.lock.workshop import Workshop
    from estiba.process import Runner

_IN_IMAGE: Final = frozenset({"base", "service", "runtime"})
_FOR_CHECKS: Final = frozenset({"check", "dev"})
_GOT: Final = re.compile(r"got (\d+) (\S+)")
_DIVIDER: Final = "\n  - "


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


def apply(lock: Lock, wanted: FetchPlan, workshop: Workshop, *, advance: Callable[[int], None]) -> None:
    """Fetch what a plan holds, check every hash, and add it to the store; interrupted, it goes on where it stopped.

    Args:
        lock: The lock that the plan is for.
        wanted: The plan.
        workshop: Where downloads are kept.
        advance: Called with numbers of bytes that have arrived, from any thread.

    Raises:
        ArtifactError: An artifact is gone from its mirror or has another hash; names all of them.
    """
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_fetch_debs, lock, wanted.debs, workshop, advance),
            pool.submit(_fetch_distributions, wanted.distributions, workshop, advance),
        ]
        problems = [job.exception() for job in jobs]
    _add((*wanted.debs, *wanted.distributions), workshop)
    for problem in problems:
        if problem:
            raise problem


def _fetch_debs(lock: Lock, wanted: Sequence[Deb], workshop: Workshop, advance: Callable[[int], None]) -> None:
    for deb in wanted:
        if workshop.artifacts.has(deb.sha256):
            advance(deb.size)
    if all(workshop.artifacts.has(deb.sha256) for deb in wanted):
        return
    root = apt.prepare(workshop.cache, lock.suite, lock.pockets, runner=workshop.runner)

    def note(deb: Deb) -> None:
        advance(deb.size)

    with apt.exclusive(root):
        debs.download_from_pools(root, wanted, workshop.artifacts, on_done=note, runner=workshop.runner)
        if not all(workshop.artifacts.has(deb.sha256) for deb in wanted):
            apt.update(root, runner=workshop.runner)
            debs.download(root, wanted, workshop.artifacts, on_done=note, runner=workshop.runner)


def _fetch_distributions(wanted: Sequence[Distribution], workshop: Workshop, advance: Callable[[int], None]) -> None:
    for one in wanted:
        if workshop.artifacts.has(one.sha256):
            advance(one.size)
    missing = [one for one in wanted if not workshop.artifacts.has(one.sha256)]
    if not missing:
        return
    request = {
        "action": "fetch",
        "cache": str(workshop.artifacts.folder),
        "files": [{"name": one.name, "file": one.file, "sha256": one.sha256.hex} for one in missing],
    }
    answers = _drive(request, workshop, advance)
    problems = [f"{answer['file']}: {answer['error']}" for answer in answers if "error" in answer]
    if problems:
        msg = f"some distributions could not be fetched:{_DIVIDER}{_DIVIDER.join(problems)}"
        raise ArtifactError(msg, hint="check pip's configuration, or lock anew: invoke lock --upgrade")


def _drive(request: Mapping[str, object], workshop: Workshop, advance: Callable[[int], None]) -> list[dict[str, Any]]:
    def listen(line: str) -> None:
        if match := _GOT.fullmatch(line):
            advance(int(match[1]))

    try:
        answers: list[dict[str, Any]] = drive(Path(sys.executable), request, on_line=listen, runner=workshop.runner)
    except CommandError as error:
        msg = f"pip failed:\n{error.tail}"
        raise ArtifactError(msg, hint="invoke fetch goes on where it stopped") from error
    return answers


def _add(wanted: Sequence[Deb | Distribution], workshop: Workshop) -> None:
    """Add what has arrived to the store, under the names that it has there."""
    arrived = [one for one in wanted if workshop.artifacts.has(one.sha256)]
    with tempfile.TemporaryDirectory(dir=workshop.cache, prefix="adding-") as scratch:
        files = []
        for one in arrived:
            folder = Path(scratch, one.sha256.hex)
            folder.mkdir(exist_ok=True)
            files.append(folder / store_name(one.file))
            files[-1].hardlink_to(workshop.artifacts.path(one.sha256))
        paths = nix.add_fixed(files, runner=workshop.runner)
    damaged = [one for one, path in zip(arrived, paths, strict=True) if str(path) != path_of(one)]
    if damaged:
        for one in damaged:
            workshop.artifacts.path(one.sha256).unlink()
        msg = (
            f"the download cache held damaged files, now removed:{_DIVIDER}{_DIVIDER.join(one.file for one in damaged)}"
        )
        raise ArtifactError(msg, hint="invoke fetch brings them again")

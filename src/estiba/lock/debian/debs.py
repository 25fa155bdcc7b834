"""Download of locked Debian packages with apt, and the shared libraries in them."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from estiba.errors import ArtifactError, CommandError
from estiba.lock import disk_cache
from estiba.lock.debian import apt
from estiba.lock.model import ARCHITECTURES
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.lock.artifacts import Artifacts
    from estiba.lock.debian.apt import AptRoot
    from estiba.lock.model import Deb
    from estiba.process import Runner

_WORKERS: Final = 4
_BATCH: Final = 8
"""Packages per apt-get process: fewer would start apt more often, more would leave workers idle."""

_COMMON: Final = ("libc6", "libgcc-s1", "libstdc++6", "zlib1g")
"""Packages of the libraries that a manylinux wheel may rely on (PEP 513)."""

_EPOCH: Final = re.compile(r"_\d+%3a")
# Alternatives are in a folder below that of the architecture, such as libblas.so.3, whose link a build makes.
_LIBRARY: Final = re.compile(r"(?:^|/)lib(?:64)?/(?:[^/]+/){0,2}([^/]+\.so(?:\.[^/ ]*)?)$")


def download(
    root: AptRoot,
    wanted: Iterable[Deb],
    artifacts: Artifacts,
    *,
    on_done: Callable[[Deb], None] = lambda _: None,
    runner: Runner = run,
) -> None:
    """Download packages that the download cache lacks.

    They are first taken from where the mirrors' pools have them, which needs no package lists. Lists are read for what
    is left: for a mirror of another layout, or for the error.

    Args:
        root: The apt root, locked by this process.
        wanted: Locked packages.
        artifacts: Download cache.
        on_done: Called with each package once it is in the cache.
        runner: Runs apt.

    Raises:
        ArtifactError: Versions are gone from the mirror, a hash is wrong, or a download failed.
    """
    folder = root.folder / "downloads"
    for pool in root.pools:
        if missing := _find_missing(wanted, artifacts):
            folder.mkdir(exist_ok=True)
            _download_from_pool(root, pool, missing, artifacts=artifacts, on_done=on_done, runner=runner)
    missing = _find_missing(wanted, artifacts)
    if not missing:
        return
    apt.update(root, runner=runner)
    _refuse_gone(root, missing, runner)
    folder.mkdir(exist_ok=True)
    # The largest first, so that none of them starts last.
    ordered = sorted(missing, key=lambda deb: (_native(deb), -deb.size))
    batches = [batch for _, of_arch in itertools.groupby(ordered, key=_native) for batch in _split(list(of_arch))]
    with ThreadPoolExecutor(_WORKERS) as threads:
        try:
            for done in threads.map(
                lambda batch: _download_batch(root, batch, folder=folder, artifacts=artifacts, runner=runner), batches
            ):
                for deb in done:
                    on_done(deb)
        except BaseException:
            # Otherwise an interruption would wait for all queued batches.
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def _find_missing(wanted: Iterable[Deb], artifacts: Artifacts) -> list[Deb]:
    return [deb for deb in wanted if not artifacts.has(deb.sha256)]


def _download_from_pool(
    root: AptRoot,
    pool: str,
    missing: Sequence[Deb],
    *,
    artifacts: Artifacts,
    on_done: Callable[[Deb], None],
    runner: Runner,
) -> None:
    """Download packages from their paths in a pool, and leave out those that are not there."""
    folder = root.folder / "downloads"

    def download_batch(batch: Sequence[Deb]) -> list[Deb]:
        files = [(f"{pool}/{_locate(deb)}", deb.file, deb.sha256) for deb in batch]
        apt.download_files(root, files, folder=folder, runner=runner)
        arrived = [deb for deb in batch if (folder / deb.file).exists()]
        for deb in arrived:
            artifacts.add(folder / deb.file, name=deb.file, expected=deb.sha256)
        return arrived

    batches = [missing[start::_WORKERS] for start in range(min(_WORKERS, len(missing)))]
    with ThreadPoolExecutor(_WORKERS) as threads:
        for done in threads.map(download_batch, batches):
            for deb in done:
                on_done(deb)


def _locate(deb: Deb) -> str:
    """Return the path of a package in a pool: in the folder of its source package, without the version's epoch."""
    prefix = deb.source[:4] if deb.source.startswith("lib") else deb.source[:1]
    return f"{prefix}/{deb.source}/{_EPOCH.sub('_', deb.file, count=1)}"


def list_libraries(debs: Sequence[Deb], artifacts: Artifacts, cache: Path, *, runner: Runner = run) -> Iterator[str]:
    """Yield the file names of all shared libraries in packages, which must be in the download cache.

    Packages are read as far as the names are taken, first those whose libraries most wheels need.
    """
    first = [deb for deb in debs if deb.name in _COMMON]
    rest = [deb for deb in debs if deb.name not in _COMMON]
    for packages in (first, rest):
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(lambda deb: _list_one(deb, artifacts, cache / "libraries-2", runner), packages))
        for names in found:
            yield from names


def _refuse_gone(root: AptRoot, missing: Sequence[Deb], runner: Runner) -> None:
    """Raise one error with all versions that the mirror lacks, after an update of the lists."""
    if not _find_gone(root, missing, runner):
        return
    apt.update(root, force=True, runner=runner)
    if gone := _find_gone(root, missing, runner):
        _raise_gone(root, gone)


def _find_gone(root: AptRoot, missing: Sequence[Deb], runner: Runner) -> dict[Deb, str]:
    """Return the packages whose locked version or hash is not in the lists, with the listed hash or an empty string."""
    offered: dict[tuple[str, str, str], str] = {}
    for arch in sorted({_native(deb) for deb in missing}):
        wanted = [(deb.name, deb.version) for deb in missing if _native(deb) == arch]
        for paragraph in apt.show(root, arch, wanted, runner=runner):
            offered[paragraph["Package"], paragraph["Version"], arch] = paragraph["SHA256"]
    found = {deb: offered.get((deb.name, deb.version, _native(deb)), "") for deb in missing}
    return {deb: sha256 for deb, sha256 in found.items() if sha256 != deb.sha256.hex}


def _raise_gone(root: AptRoot, gone: Mapping[Deb, str]) -> None:
    changed = {deb: sha256 for deb, sha256 in gone.items() if sha256}
    if changed:
        listed = "".join(
            f"\n  - {deb.file}: expected {deb.sha256}, got sha256:{sha256}" for deb, sha256 in changed.items()
        )
        msg = f"the mirror has other files than the lock names, under the same versions:{listed}"
        raise ArtifactError(msg, hint="take estiba.lock from version control, or invoke lock --upgrade-debian")
    listed = "".join(f"\n  - {deb.name} {deb.version} ({deb.arch})" for deb in gone)
    msg = f"the mirror of {root.title} no longer has what the lock names:{listed}"
    raise ArtifactError(
        msg, hint="invoke lock --upgrade-debian takes the versions it has now; an archive mirror still has the old ones"
    )


def _split(found: Sequence[Deb]) -> list[Sequence[Deb]]:
    return [found[start : start + _BATCH] for start in range(0, len(found), _BATCH)]


def _native(deb: Deb) -> str:
    return deb.arch if deb.arch != "all" else ARCHITECTURES[deb.platforms[0]]


def _download_batch(
    root: AptRoot, batch: Sequence[Deb], *, folder: Path, artifacts: Artifacts, runner: Runner
) -> Sequence[Deb]:
    """Download packages of one architecture into a permanent folder, where apt continues partial downloads."""
    names = [f"{deb.name}={deb.version}" for deb in batch]
    try:
        apt.download(root, names, folder=folder, arch=_native(batch[0]), runner=runner)
    except CommandError as error:
        msg = f"apt could not download {', '.join(deb.file for deb in batch)}:\n{error.tail}"
        raise ArtifactError(msg, hint="invoke fetch goes on where it stopped") from error
    for deb in batch:
        artifacts.add(folder / deb.file, name=deb.file, expected=deb.sha256)
    return batch


def _list_one(deb: Deb, artifacts: Artifacts, cache: Path, runner: Runner) -> list[str]:
    def list_members() -> str:
        listing = runner(["dpkg-deb", "--contents", str(artifacts.path(deb.sha256))]).stdout
        # A line reads: -rw-r--r-- root/root 12345 2025-01-01 00:00 ./usr/lib/libz.so.1 -> libz.so.1.3
        paths = (line.split(maxsplit=5)[5].split(" -> ")[0] for line in listing.splitlines() if line)
        return "\n".join(sorted({match[1] for path in paths if (match := _LIBRARY.search(path))}))

    return disk_cache.cached(cache / deb.sha256.hex, list_members).splitlines()

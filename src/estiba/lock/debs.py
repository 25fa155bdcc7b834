"""Download locked Debian packages with apt, and look into them."""

from __future__ import annotations

import json
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import ArtifactError, CommandError
from estiba.lock import apt
from estiba.lock.model import ARCHITECTURES
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from estiba.lock.apt import AptRoot
    from estiba.lock.artifacts import Artifacts
    from estiba.lock.model import Deb
    from estiba.process import Runner

_SHARDS: Final = 4
_LIBRARY: Final = re.compile(r"(?:^|/)lib(?:64)?/(?:[^/]+/)?([^/]+\.so(?:\.[^/ ]*)?)$")


def download(
    root: AptRoot,
    wanted: Iterable[Deb],
    artifacts: Artifacts,
    *,
    on_done: Callable[[Deb], None] | None = None,
    runner: Runner = run,
) -> None:
    """Bring packages into the artifact cache; those that are there are not asked for again.

    Raises:
        ArtifactError: Versions have left the mirror, a hash is wrong, or a download failed; lists all of the first.
    """
    missing = [deb for deb in wanted if not artifacts.has(deb.sha256)]
    if not missing:
        return
    _refuse_gone(root, missing, runner)
    folder = root.folder / "downloads"
    folder.mkdir(exist_ok=True)
    ordered = sorted(missing, key=lambda deb: -deb.size)
    shards = [shard for shard in (ordered[start::_SHARDS] for start in range(_SHARDS)) if shard]
    with ThreadPoolExecutor(_SHARDS) as pool:
        done = [pool.submit(_download_shard, root, shard, folder, artifacts, on_done, runner) for shard in shards]
        for one in done:
            one.result()


def list_libraries(debs: Sequence[Deb], artifacts: Artifacts, cache: Path, *, runner: Runner = run) -> set[str]:
    """Return the file names of all shared libraries in packages, which must be among the artifacts."""
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda deb: _list_one(deb, artifacts, cache / "libraries", runner), debs)
        return {name for names in found for name in names}


def _refuse_gone(root: AptRoot, missing: Sequence[Deb], runner: Runner) -> None:
    """Raise one error that names every version that the mirror's lists do not have (any more)."""
    for attempt in range(2):
        offered = {
            (paragraph["Package"], paragraph["Version"], paragraph["SHA256"])
            for arch in sorted({_native(deb) for deb in missing})
            for paragraph in apt.show(
                root, arch, [(deb.name, deb.version) for deb in missing if _native(deb) == arch], runner=runner
            )
        }
        gone = [deb for deb in missing if (deb.name, deb.version, deb.sha256.hex) not in offered]
        if not gone:
            return
        if attempt == 0:
            apt.update(root, force=True, runner=runner)
    _raise_gone(root, gone, {(name, version) for name, version, _ in offered})


def _raise_gone(root: AptRoot, gone: Sequence[Deb], offered: set[tuple[str, str]]) -> None:
    changed = [deb for deb in gone if (deb.name, deb.version) in offered]
    listed = "".join(f"\n  - {deb.name} {deb.version} ({deb.arch})" for deb in changed or gone)
    if changed:
        msg = f"the mirror offers other bytes under a locked version, so the lock's hash is wrong or the mirror's:{listed}"
        raise ArtifactError(msg, hint="take estiba.lock from version control, or invoke lock --upgrade-debian")
    msg = f"the mirror of Debian {root.suite} no longer has what the lock names:{listed}"
    raise ArtifactError(
        msg, hint="invoke lock --upgrade-debian takes the versions it has now; an archive mirror still has the old ones"
    )


def _native(deb: Deb) -> str:
    return deb.arch if deb.arch != "all" else ARCHITECTURES[deb.platforms[0]]


def _download_shard(  # noqa: PLR0913, PLR0917 - one call per thread
    root: AptRoot,
    shard: Sequence[Deb],
    folder: Path,
    artifacts: Artifacts,
    on_done: Callable[[Deb], None] | None,
    runner: Runner,
) -> None:
    """Download packages one architecture at a time into a folder that outlives an interruption."""
    for arch in sorted({_native(deb) for deb in shard}):
        chosen = [deb for deb in shard if _native(deb) == arch]
        try:
            apt.download(root, [f"{deb.name}={deb.version}" for deb in chosen], folder=folder, arch=arch, runner=runner)
        except CommandError as error:
            msg = f"apt could not download {', '.join(deb.file for deb in chosen[:3])} …:\n{error.tail}"
            raise ArtifactError(msg, hint="invoke fetch goes on where it stopped") from error
        for deb in chosen:
            artifacts.take(folder / deb.file, name=deb.file, expected=deb.sha256)
            if on_done:
                on_done(deb)


def _list_one(deb: Deb, artifacts: Artifacts, cache: Path, runner: Runner) -> list[str]:
    remembered = cache / f"{deb.sha256.hex}.json"
    if remembered.exists():
        names: list[str] = json.loads(remembered.read_text(encoding="utf-8"))
        return names
    listing = runner(["dpkg-deb", "--contents", str(artifacts.path(deb.sha256))]).stdout
    # "-rw-r--r-- root/root 12345 2025-01-01 00:00 ./usr/lib/x86_64-linux-gnu/libz.so.1 -> libz.so.1.3"
    paths = (line.split(maxsplit=5)[5].split(" -> ")[0] for line in listing.splitlines() if line)
    names = sorted({match[1] for path in paths if (match := _LIBRARY.search(path))})
    cache.mkdir(parents=True, exist_ok=True)
    remembered.write_text(json.dumps(names), encoding="utf-8")
    return names

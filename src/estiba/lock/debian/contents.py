"""Lookup of the Debian packages that contain a shared library, in the Contents indices of the archive.

The indices are large, and downloaded only when a library is missing.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from estiba.lock.model import ARCHITECTURES
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from estiba.lock.debian.apt import AptRoot
    from estiba.process import Runner

_TARGET: Final = {
    "Description": "$(RELEASE)/$(COMPONENT) Contents",
    "KeepCompressed": "true",
    "KeepCompressedAs": "gz",
    "ShortDescription": "Contents",
}


def find_library_packages(
    root: AptRoot, platform: str, libraries: Sequence[str], *, runner: Runner = run
) -> dict[str, list[str]] | None:
    """Return the packages that have each library below the loader's folder; None without the release's own index."""
    arch = ARCHITECTURES[platform]
    lists = root.folder / "contents"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    # The index of `Architecture: all` is left out: it is the largest, and its packages have no shared libraries.
    target = {**_TARGET, "MetaKey": f"$(COMPONENT)/Contents-{arch}"}
    options = [*root.options(arch), "-o", f"Dir::State::Lists={lists}"]
    for key, value in target.items():
        options += ["-o", f"Acquire::IndexTargets::deb::Contents-deb::{key}={value}"]
    options += ["-o", "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false"]
    # There are no packages in them to parse.
    options += ["-o", "pkgCacheFile::Generate=false"]
    # Use the indices that can be had, without failing for others.
    runner(["apt-get", *options, "-q", "update"], check=False)
    files = sorted(str(path) for path in lists.glob("*Contents*.gz"))
    # Indices of updates alone do not tell that a library is in no package.
    if not any(f"_dists_{root.suite}_" in name for name in files):
        return None
    names = [word for name in libraries for word in ("-e", f"/{name} ")]
    matches = runner(["zgrep", "-hF", *names, *files], check=False).stdout
    found: dict[str, set[str]] = defaultdict(set)
    for line in matches.splitlines():
        # A line has a path, blanks, and comma-separated entries "section/package".
        path, _, packages = line.rpartition(" ")
        folder, _, name = path.rstrip().rpartition("/")
        # Alternatives are in a folder of their own, such as that of libblas.so.3.
        if folder.endswith("-linux-gnu") or folder.rpartition("/")[0].endswith("-linux-gnu"):
            found[name].update(package.rsplit("/", 1)[-1] for package in packages.split(","))
    return {name: sorted(packages, key=lambda package: (len(package), package)) for name, packages in found.items()}

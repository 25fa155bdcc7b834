"""Which Debian package has a file, by the archive's own index; it is big, and read only when a library is missing."""

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


def find_packages(
    root: AptRoot, platform: str, libraries: Sequence[str], *, runner: Runner = run
) -> dict[str, list[str]]:
    """Return for each library the packages that have it in a folder where the loader looks; none if unreachable."""
    arch = ARCHITECTURES[platform]
    lists = root.folder / "contents"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    # The index of packages for all architectures is left out: it is the largest, and none of them has a library.
    target = {**_TARGET, "MetaKey": f"$(COMPONENT)/Contents-{arch}"}
    options = [*root.options(arch), "-o", f"Dir::State::Lists={lists}"]
    for key, value in target.items():
        options += ["-o", f"Acquire::IndexTargets::deb::Contents-deb::{key}={value}"]
    options += ["-o", "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false"]
    # A pocket without an index, or a mirror that is just being updated, is no reason to say nothing at all.
    runner(["apt-get", *options, "-q", "update"], check=False)
    files = sorted(str(path) for path in lists.glob("*Contents*.gz"))
    names = [word for name in libraries for word in ("-e", f"/{name} ")]
    matches = runner(["zgrep", "-hF", *names, *files], check=False).stdout if files else ""
    found: dict[str, set[str]] = defaultdict(set)
    for line in matches.splitlines():
        # A line holds a path and, after blanks, "section/package" separated by commas.
        path, _, packages = line.rpartition(" ")
        folder, _, name = path.rstrip().rpartition("/")
        if folder.endswith("-linux-gnu"):
            found[name].update(package.rsplit("/", 1)[-1] for package in packages.split(","))
    return {name: sorted(packages, key=lambda package: (len(package), package)) for name, packages in found.items()}

"""Which Debian package has a file, by the archive's own index; it is big, and read only when a library is missing."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from estiba.lock.model import ARCHITECTURES
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from estiba.lock.apt import AptRoot
    from estiba.process import Runner

_TARGET: Final = {
    "MetaKey": "$(COMPONENT)/Contents-$(ARCHITECTURE)",
    "ShortDescription": "Contents-$(ARCHITECTURE)",
    "Description": "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents",
}


def find_packages(
    root: AptRoot, platform: str, libraries: Sequence[str], *, runner: Runner = run
) -> dict[str, list[str]]:
    """Return for each library the packages that have it in a folder where the loader looks; none if unreachable."""
    arch = ARCHITECTURES[platform]
    options = [
        *root.options(arch),
        *(
            word
            for key, value in _TARGET.items()
            for word in ("-o", f"Acquire::IndexTargets::deb::Contents-deb::{key}={value}")
        ),
    ]
    # A pocket without an index, or a mirror that is just being updated, is no reason to say nothing at all.
    runner(["apt-get", *options, "-q", "update"], check=False)
    argv = ["apt-get", *options, "indextargets", "--format", "$(FILENAME)", "Created-By: Contents-deb"]
    files = runner(argv, check=False).stdout.split()
    found: dict[str, set[str]] = defaultdict(set)
    for file in files:
        _search(file, libraries, found, runner)
    return {name: sorted(packages, key=lambda package: (len(package), package)) for name, packages in found.items()}


def _search(file: str | Path, libraries: Sequence[str], found: dict[str, set[str]], runner: Runner) -> None:
    """Read one index: a line holds a path and, after blanks, `section/package` separated by commas."""
    wanted = {f"/{name}": name for name in libraries}
    for line in runner(["/usr/lib/apt/apt-helper", "cat-file", str(file)]).stdout.splitlines():
        path, _, packages = line.rpartition(" ")
        path = path.rstrip()
        name = wanted.get(path[path.rfind("/") :])
        if name and "linux-gnu/" in path and path[: path.rfind("/")].endswith("linux-gnu"):
            found[name].update(package.rsplit("/", 1)[-1] for package in packages.split(","))

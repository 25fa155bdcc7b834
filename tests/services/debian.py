"""Debian packages that tests need, with all that they depend on, unpacked in the user's cache and never installed."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from estiba import config
from estiba.digest import Digest
from estiba.lock.debian import apt
from estiba.service.debian import Release

if TYPE_CHECKING:
    from collections.abc import Sequence

_SUITE: Final = "bookworm"
"""As for the programs of the development shell: it no longer changes."""
_ESSENTIAL: Final = ("bash", "coreutils", "dash", "grep", "mount", "sed", "util-linux")
"""What Debian's packages take for granted, and so do not depend on."""
_MERGED: Final = ("bin", "lib", "lib64", "sbin")
# $0: the tree; from $1: the command. The machine's own files in /etc come before those of the tree, and stay as they
# are: dockerd writes there.
_ENTER: Final = """
set -e
mount --bind "$0/usr" /usr
mount -t tmpfs tmpfs "$0/tmp"
mkdir "$0/tmp/upper" "$0/tmp/work"
mount -t overlay -o "lowerdir=/etc:$0/etc,upperdir=$0/tmp/upper,workdir=$0/tmp/work" overlay /etc
exec "$@"
"""


@cache
def unpack(*names: str, essential: bool = False, suite: str = _SUITE) -> Path:
    """Return the folder of packages and all that they depend on; it is kept for the next run, and not to be changed.

    Args:
        names: The packages.
        essential: Whether their programs are to run in it (`inside`), not beside the machine's own libraries.
        suite: The Debian release.
    """
    if shutil.which("apt-get") is None:
        pytest.skip(f"{', '.join(names)} comes with apt, which this machine has not")
    wanted = sorted({*names, *(_ESSENTIAL if essential else ())})
    arch = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    folder = config.load().cache_dir
    root = apt.prepare(config.load(), Release(folder=folder, suite=suite, pockets=("main",)))
    with apt.exclusive(root):
        apt.update(root)
        versions = [f"{name}={version}" for name, version in sorted(apt.simulate(root, arch, wanted).items())]
        tree = folder / "tests" / Digest.of_bytes("\n".join([arch, *versions]).encode()).hex[:16]
        if not tree.exists():
            scratch = tree.with_name(f"{tree.name}.part")
            shutil.rmtree(scratch, ignore_errors=True)
            archives = scratch / "archives"
            archives.mkdir(parents=True)
            apt.download(root, versions, folder=archives, arch=arch)
            _extract(sorted(archives.glob("*.deb")), scratch)
            shutil.rmtree(archives)
            scratch.rename(tree)
    return tree


def words(tree: Path, name: str) -> list[str]:
    """Return the words that start a program of a tree with the tree's own C library and no other one's."""
    (loader,) = (tree / "usr/lib").glob(f"{platform.machine()}-linux-gnu/ld-linux-*")
    return [str(loader), "--library-path", str(loader.parent), str(tree / "usr/bin" / name)]


def script(tree: Path, name: str, folder: Path) -> Path:
    """Write a script that starts a program of a tree as `words` says, for what wants one path; return the script."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words(tree, name))} "$@"\n')
    path.chmod(0o755)
    return path


def _extract(archives: Sequence[Path], tree: Path) -> None:
    """Unpack archives into a tree whose top-level folders lie in `/usr`, as on any Debian of today."""
    for name in _MERGED:
        (tree / "usr" / name).mkdir(parents=True)
        (tree / name).symlink_to(f"usr/{name}")
    (tree / "tmp").mkdir()
    for archive in archives:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as packed:
            unpacking = ["tar", "--extract", "--keep-directory-symlink", "--directory", str(tree)]
            subprocess.run(unpacking, stdin=packed.stdout, check=True)
        if packed.returncode:
            message = f"{archive.name} cannot be unpacked"
            raise RuntimeError(message)


def is_superuser() -> bool:
    """Tell whether this process may do everything; the superuser of a user namespace may not."""
    numbers = Path("/proc/self/uid_map").read_text(encoding="ascii").split()
    return os.geteuid() == 0 and numbers[2] == str(2**32 - 1)


def entering(tree: Path) -> list[str]:
    """Return the words before a command that make it see a tree of packages in the place of the machine's programs."""
    return ["unshare", "--mount", "--", "sh", "-c", _ENTER, str(tree)]


def inside(*names: str) -> list[str]:
    """Return the words before a command that make it see packages in the place of the machine's own programs."""
    # The superuser of a user namespace is none for an engine or for systemd.
    if not is_superuser():
        pytest.skip(f"{', '.join(names)} needs a superuser: run the tests as root")
    words = entering(unpack(*names, essential=True))
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{', '.join(names)} needs a machine that lets a superuser mount: {done.stderr.strip()}")
    return words

"""Debian packages that integration tests need, unpacked privately; `.ci/packages.txt` names those to be installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def unpack(package: str, folder: Path) -> Path:
    """Download a package with this machine's apt, unpack it into a folder without installing it, and return that."""
    if shutil.which("apt-get") is None:
        message = f"{package} is needed, and there is no apt to get it with"
        raise FileNotFoundError(message)
    archives = folder / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    _run(["apt-get", "download", "-q", package], archives)
    for archive in archives.glob(f"{package}_*.deb"):
        _run(["dpkg-deb", "-x", str(archive), str(folder / "root")], archives)
    return folder / "root"


def _run(argv: list[str], folder: Path) -> None:
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"{' '.join(argv)} exited with {done.returncode}\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)

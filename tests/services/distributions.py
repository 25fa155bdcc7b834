"""Distributions of PyPI that tests alone need, installed by pip and kept in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from estiba import config, files
from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path


def install(*requirements: str) -> Path:
    """Return a folder for Python's path with distributions and all that they need.

    It is of one interpreter: the cache may outlive the store that this one is in.

    Args:
        requirements: Pinned, the one that names the folder first.
    """
    key = Digest.of_bytes("\n".join([sys.executable, *requirements]).encode()).hex[:16]
    folder = config.load().cache_dir / "tests" / f"{requirements[0].replace('==', '-')}-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.lock(folder.with_name(f"{folder.name}.lock"), wait=True):
        if not folder.exists():
            scratch = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(scratch, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "--target", str(scratch), *requirements], check=True)
            scratch.rename(folder)
    return folder

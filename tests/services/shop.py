"""The sample service, locked afresh, built and unpacked."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import harbour

from estiba import config
from estiba.build import oci_image

if TYPE_CHECKING:
    from estiba.build.oci_image import Built

SOURCE: Final = Path(__file__).parents[1] / "fixtures" / "services" / "shop"
FLAKE: Final = "{ outputs = { self, estiba }: estiba.lib.mkService { src = self; }; }\n"
TASKS: Final = "from estiba.tasks import ns\n\n__all__ = ['ns']\n"


def make(folder: Path) -> Path:
    """Copy the service, give it a flake and a repository, lock it and fetch what it needs."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "flake.nix").write_text(FLAKE)
    (folder / "tasks.py").write_text(TASKS)
    git(folder, "init", "--quiet")
    for command in ("lock", "fetch"):
        harbour.invoke(folder, command)
    commit(folder, "Lock the shop")
    return folder


def copy(service: Path, folder: Path) -> Path:
    """Copy a service with its lock and its history, for a test to change."""
    shutil.copytree(service, folder, symlinks=True)
    return folder


def commit(folder: Path, message: str) -> None:
    """Commit all files, always at the same time."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)


def git(folder: Path, *arguments: str) -> None:
    """Run git without this machine's settings."""
    date = "2026-01-02T03:04:05Z"
    env = config.load().environment(
        GIT_CONFIG_GLOBAL="/dev/null", GIT_CONFIG_SYSTEM="/dev/null", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date
    )
    who = ["-c", "user.name=Shop", "-c", "user.email=shop@example.com"]
    subprocess.run(["git", *who, *arguments], cwd=folder, env=env, check=True)


@functools.cache
def settings() -> config.Config:
    """Return the configuration with this repository as it is now, so that all builds of a run use the same library."""
    argv = ["nix", "flake", "metadata", harbour.FLAKE, "--json"]
    metadata = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
    return dataclasses.replace(config.load(), flake=f"path:{metadata['path']}")


def built(folder: Path) -> Built:
    """Build the image of a service's folder."""
    return oci_image.build(folder, settings())

"""Starter of a release's programs, which has to switch users where root deploys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import TargetError
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.process import Runner

_ROOT: Final = "roots/starter"
"""Garbage collector root of the closure whose starter runs releases of earlier versions too."""


def find(folder: StateFolder, closure: HostClosure) -> Path:
    """Return the starter for the programs of a release.

    Raises:
        TargetError: It would leave all programs to root, and there is no other one.
    """
    if closure.has_users or not folder.is_root:
        return closure.starter
    kept = folder.path / _ROOT
    if not kept.is_symlink():
        msg = f"{closure.version} ({closure.digest}) is of an earlier Estiba, whose starter would run all as root"
        raise TargetError(msg, hint="run invoke deploy once, which builds a release that can start it")
    return kept.readlink() / "bin" / "start"


def keep(folder: StateFolder, closure: HostClosure, runner: Runner) -> None:
    """Keep the starter of a release for those of earlier versions, unless one is kept."""
    if closure.has_users and folder.is_root and not (folder.path / _ROOT).is_symlink():
        nix.add_root(folder.path / _ROOT, closure.path, runner=runner)

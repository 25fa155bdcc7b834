"""Conversion of a state folder of earlier versions, where root's programs all had one user, to users of their own."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.state import users
from estiba.deploy.host.state.folder import damage
from estiba.deploy.host.supervise import starter
from estiba.errors import TargetError
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.state.revisions import RevisionStore

_DATA: Final = {
    "data/media": (users.SERVICE, users.NGINX),
    "data/postgresql": (users.POSTGRESQL, None),
    "data/redis": (users.REDIS, None),
    "logs": (users.LOG, None),
}
"""What is kept, with the user and the group that it gets."""

_DISCARDED: Final = ("run", "tasks", "services")
"""What the next start of the programs creates again; the last one says that the folder is not converted yet."""


def refuse(folder: StateFolder) -> None:
    """Refuse a folder that is not converted yet.

    Raises:
        TargetError: It is not.
    """
    if folder.is_shared:
        msg = f"{folder.path} was made by an earlier Estiba, whose programs all had one user"
        raise TargetError(msg, hint="invoke deploy converts it, and keeps its data")


def convert(processes: Processes, closure: HostClosure | None) -> None:
    """End all processes, and give what they own to their new users; if it is killed, it is repeated.

    Args:
        processes: Processes of the target.
        closure: Release whose starter runs those of earlier versions too; without one, the folder is refused.

    Raises:
        DeployError: A process does not end.
        TargetError: A program has changed what is to be served.
        OSError: Something cannot be changed.
    """
    if closure is None:
        refuse(processes.folder)
        return
    processes.end_shared()
    folder, revisions = processes.folder, processes.revisions
    owner = (folder.path / "services").lstat().st_uid
    _check(revisions, owner)
    for path in [*folder.path.iterdir(), *folder.path.glob("serve/*"), *folder.path.glob("serve/releases/*/*.json")]:
        if path.lstat().st_uid == owner and not path.is_dir():
            os.chown(path, 0, 0, follow_symlinks=False)
    for name, (user, group) in _DATA.items():
        if (folder.path / name).exists():
            _hand_over(folder.path / name, owner, folder.user(user) or 0, folder.user(group))
    for run in folder.path.glob("serve/releases/*/run"):
        _hand_over(run, owner, folder.user(users.SERVICE) or 0, folder.user(users.NGINX))
    os.chown(folder.path / "logs", 0, 0)
    for name in _DISCARDED:
        shutil.rmtree(folder.path / name, ignore_errors=name != _DISCARDED[-1])
    folder.prepare()
    starter.keep(folder, closure, processes.runner)


def _check(revisions: RevisionStore, owner: int) -> None:
    """Check that revisions lead to releases of the profile, since their files were those of the programs' user."""
    known = {str(path) for path in nix.generations(revisions.profile).values()}
    for file in revisions.serve.glob("releases/*/release.json"):
        if file.lstat().st_uid == owner and (path := revisions.folder.read(file).get("path")) not in known:
            raise damage(file, f"{path} is none of the releases that were deployed here")


def _hand_over(top: Path, owner: int, user: int, group: int | None) -> None:
    """Give files and folders to another user; those of third parties, links and all that they lead to stay as they are.

    Args:
        top: Folder.
        owner: User ID whose files are given away.
        user: New user ID.
        group: Group ID of another program that may read them, or None.
    """
    for _, folders, names, parent in os.fwalk(top, follow_symlinks=False):
        for name in (".", *folders, *names):
            try:
                file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
            except OSError:
                # A link, a socket, or gone.
                continue
            try:
                found = os.fstat(file)
                if found.st_uid == owner and (stat.S_ISDIR(found.st_mode) or found.st_nlink == 1):
                    os.fchown(file, user, group or user)
                    if group:
                        # As a folder with a group and a program with its umask would have created it.
                        more = stat.S_ISGID | 0o050 if stat.S_ISDIR(found.st_mode) else 0o040
                        os.fchmod(file, stat.S_IMODE(found.st_mode) | more)
            finally:
                os.close(file)

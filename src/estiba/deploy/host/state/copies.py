"""Copies of the services' own files and of collected ones, since those in the Nix store have one time, of 1970.

`zipfile` refuses files from before 1980, and web servers take a file of the next release, with the same time and size,
for the one that a browser has. A copy has the times of the image's files; releases of the same files share one.
"""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.state.folder import StateFolder

_FOLDER: Final = "copies"
_TIME: Final = 2 * 86400 + 315532800
_SPAN: Final = 30 * 365 * 86400
"""Times of files, as in `write_tar` of nix/build/builders/layers/entries.py."""

_READABLE: Final = 0o444
_PASSABLE: Final = 0o755
"""Modes of files and folders: an ordinary user can delete the state folder, and root's is for root to change."""


def make(folder: StateFolder, closure: HostClosure) -> None:
    """Copy the files of a release that have no copy yet.

    Raises:
        OSError: The disk is full.
    """
    for own in closure.own:
        if not (copy := _locate(folder, own)).is_dir():
            folder.open_up(copy.parent)
            made = copy.with_name(f".{copy.name}.new")
            _remove(made)
            _copy(Path(own), made)
            made.replace(copy)


def relocate(folder: StateFolder, closure: HostClosure, directory: Path) -> Mapping[str, str]:
    """Return the binds of the service's programs, those of its own files to the copies that there are.

    Args:
        folder: State folder of the target.
        closure: Host closure of the release.
        directory: Folder that relative paths in the binds start from.
    """
    binds = dict(closure.app.binds)
    for own in closure.own:
        if (copy := _locate(folder, own)).is_dir():
            start = os.path.relpath(copy, directory)
            for place, source in closure.app.binds.items():
                if f"{source}/".startswith(f"{own}/"):
                    binds[place] = f"{start}{source.removeprefix(own)}"
    return binds


def prune(folder: StateFolder, kept: Collection[str]) -> None:
    """Delete all copies but those of the given folders of files."""
    wanted = {_locate(folder, one) for one in kept}
    for path in (folder.path / _FOLDER).glob("*"):
        if path not in wanted:
            _remove(path)


def _locate(folder: StateFolder, own: str) -> Path:
    """Return the place of a copy, whose name is that of the store path."""
    return folder.path / _FOLDER / Path(own).parent.name


def _copy(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        here, time = target / path.name, _TIME
        if path.is_symlink():
            here.symlink_to(path.readlink())
        elif path.is_dir():
            _copy(path, here)
        else:
            content = path.read_bytes()
            here.write_bytes(content)
            here.chmod(_READABLE | path.stat().st_mode & 0o111)
            time += zlib.crc32(content) % _SPAN if content else 0
        os.utime(here, (time, time), follow_symlinks=False)
    target.chmod(_PASSABLE)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)

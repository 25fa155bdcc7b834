from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from estiba import files

if TYPE_CHECKING:
    from pathlib import Path


def test_file_is_the_old_or_the_new_one(tmp_path: Path) -> None:
    """What is staged changes nothing until it is committed, and leaves nothing when it is discarded."""
    path = tmp_path / "port.json"
    files.write(path, "old")
    staged = files.stage(path, "new")
    assert path.read_text() == "old"

    staged.commit()
    files.stage(path, "newer").discard()

    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_permissions_are_the_given_ones(tmp_path: Path) -> None:
    """They do not depend on the umask."""
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "lock", "", mode=0o644)
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o644


def test_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Somebody who may write to the folder cannot have another file written, nor given away."""
    (tmp_path / "other").write_text("untouched")
    (tmp_path / "name").symlink_to(tmp_path / "other")

    files.write(tmp_path / "name", "text", owner=(os.getuid(), os.getgid()))

    assert (tmp_path / "other").read_text() == "untouched"
    assert not (tmp_path / "name").is_symlink()


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    """Text that cannot be written is an error, and the folder is as before."""
    with pytest.raises(UnicodeEncodeError):
        files.write(tmp_path / "name", "\ud800")

    assert list(tmp_path.iterdir()) == []


def test_lock_is_held_by_one(tmp_path: Path) -> None:
    """Others are refused, unless all hold it shared; a folder can be locked as well as a file."""
    for path in (tmp_path, tmp_path / "file"):
        with files.lock(path), pytest.raises(BlockingIOError), files.lock(path):
            pass
        with files.lock(path, shared=True), files.lock(path, shared=True):
            pass


def test_lock_is_waited_for(tmp_path: Path) -> None:
    """Who asks for it gets it after the one before."""
    with (tmp_path / "file").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.05, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        with files.lock(tmp_path / "file", wait=True):
            pass


def test_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A program that goes on after its parent has let go is in nobody's way."""
    with files.lock(tmp_path / "file"):
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with files.lock(tmp_path / "file"):
        child.communicate(b"\n")


def test_link_is_no_lock(tmp_path: Path) -> None:
    """A lock is not taken on a file that somebody else has chosen."""
    (tmp_path / "link").symlink_to(tmp_path / "other")

    with pytest.raises(OSError, match="symbolic links"), files.lock(tmp_path / "link"):
        pass

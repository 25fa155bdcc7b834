"""A root file system for a superuser without namespaces: copies in place of mounts, chroot(2), and the image's user.

Docker's default capabilities are enough. The programs have neither `/proc` nor pseudo-terminals, and they have the
machine's network.
"""

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from root import UID, WRITABLE, Root

_DEVICES = {"full": (1, 7), "null": (1, 3), "random": (1, 8), "tty": (5, 0), "urandom": (1, 9), "zero": (1, 5)}
_STORE = "/nix/store"
_WRITABLE_BIT = 0o200


class CopiedRoot(Root):
    """A root that holds files of its own.

    What the store has is there as hard links, to which the programs, being another user, cannot write. What is bound
    and can be written to is moved in, with a link in its old place for the builder, until `give_back`.
    """

    __slots__ = ()

    def prepare(self) -> None:
        """Put the root together, unless an earlier program has."""
        if (self.top / "dev/shm").exists():
            return
        super().prepare()
        try:
            os.chroot("/")
            _make_devices(self.top / "dev")
        except PermissionError:
            sys.exit(
                "ESTIBA_SANDBOX=container needs a root user who may call chroot(2) and mknod(2), as by Docker's "
                "default capabilities; without them only Nix's sandbox is left"
            )
        os.chown(self.top, UID, UID)
        for place, source in sorted(self._places().items()):
            if place not in ("/dev", "/proc", _STORE):
                self._fill(self.top / place[1:], source, movable=place in self.binds)
        for name in WRITABLE:
            _hand_over(self.top / name[1:])
        self._bring_from_store()

    def enter(self, cwd: str) -> None:
        """Become the program's process: new root, new user. Runs between fork and exec."""
        os.chroot(self.top)
        os.chdir(cwd)
        os.setgroups([])
        os.setgid(UID)
        os.setuid(UID)

    def give_back(self) -> None:
        """Move what was moved in to its old place."""
        for place, source in self.binds.items():
            if source.is_symlink() and source.readlink() == self.top / place[1:]:
                source.unlink()
                shutil.move(self.top / place[1:], source)

    def _fill(self, here: Path, source: Path, *, movable: bool) -> None:
        # As with a mount, what a place had before is not seen.
        if here.is_dir():
            shutil.rmtree(here)
        else:
            here.unlink()
        if movable and source.stat().st_mode & _WRITABLE_BIT:
            shutil.move(source, here)
            source.symlink_to(here)
            _hand_over(here)
        else:
            _copy(source, here)

    def _bring_from_store(self) -> None:
        """Add the store paths that symbolic links in the root name, and those that are named there in turn."""
        tops = [self.top]
        while tops:
            for target in sorted(_links(tops.pop())):
                if target.startswith(f"{_STORE}/"):
                    path = Path(*Path(target).parts[:4])
                    here = self.top / str(path)[1:]
                    if not here.exists():
                        _copy(path, here)
                        tops.append(here)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=_link)
    else:
        _link(str(source), str(target))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # Another file system, as where the store is a volume of its own.
        shutil.copy2(source, target, follow_symlinks=False)


def _links(top: Path) -> Iterator[str]:
    """Yield what the symbolic links below a folder say."""
    for where, folders, files in os.walk(top):
        for name in (*folders, *files):
            path = os.path.join(where, name)  # noqa: PTH118 - of each file of a Debian root
            if os.path.islink(path):  # noqa: PTH114
                yield os.readlink(path)  # noqa: PTH115


def _hand_over(top: Path) -> None:
    """Give a file, or a folder with all that is in it, to the programs' user."""
    os.chown(top, UID, UID)
    for where, folders, files in os.walk(top):
        for name in (*folders, *files):
            os.chown(Path(where, name), UID, UID, follow_symlinks=False)


def _make_devices(folder: Path) -> None:
    for name, (major, minor) in _DEVICES.items():
        os.mknod(folder / name, stat.S_IFCHR, os.makedev(major, minor))
        (folder / name).chmod(0o666)
    (folder / "shm").mkdir()
    (folder / "shm").chmod(0o1777)

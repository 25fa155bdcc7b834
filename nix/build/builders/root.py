"""Run programs in a root file system put together from store paths, without privileges, also inside Nix's sandbox.

A user namespace of its own gives the right to mount; everything is bound in place, nothing is copied. The program runs
as the image's user.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, NamedTuple

UID = 10001
"""The user that runs in the image."""

WRITABLE = ("/tmp", "/run", "/root", "/sys")  # noqa: S108 - inside the root
"""Places that programs write to."""

_CLONE_NEWNS, _CLONE_NEWUSER = 0x00020000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x8, 0x1000, 0x4000, 0x40000
_MNT_DETACH, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_NOSYMFOLLOW = 2, -100, 0x8000, 0x200000
_MOUNT_SETATTR = 442
"""Number of mount_setattr(2), for which C libraries have no function yet."""

_libc = ctypes.CDLL(None, use_errno=True)


class Root(NamedTuple):
    """A root file system.

    Attributes:
        tree: An unpacked Debian root, whose top-level folders and links become those of `/`.
        binds: More places: path in the root to the file or folder that is to be seen there.
        links: Symbolic links to make: path in the root to what it says.
        top: An empty folder of this build to put it together in.
        env: The programs' whole environment.
        guarded: Like `binds`, but the kernel follows no symbolic link there; empty where it cannot (before Linux 5.14).
    """

    tree: Path
    top: Path
    binds: Mapping[str, Path] = MappingProxyType({})
    links: Mapping[str, str] = MappingProxyType({})
    env: Mapping[str, str] = MappingProxyType({})
    guarded: Mapping[str, Path] = MappingProxyType({})

    def popen(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program; its standard output and error go to `output`, else to the build's log.

        Args:
            argv: The command, with paths as in the root.
            cwd: Its working directory in the root.
            env: Additions to `self.env`.
            output: A file for what it prints.
        """
        self.prepare()
        try:
            return subprocess.Popen(
                argv,
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
                preexec_fn=lambda: self.enter(cwd),  # noqa: PLW1509 - builders have no threads
            )
        except subprocess.SubprocessError:
            sys.exit(f"{argv[0]}: the kernel refuses the namespaces of a root of its own; see docs/troubleshooting.md")

    def run(
        self, argv: list[str], *, cwd: str = "/", env: dict[str, str] | None = None, output: IO[bytes] | None = None
    ) -> int:
        """Run a program to its end and return its exit code; arguments as for `popen`."""
        with self.popen(argv, cwd=cwd, env=env, output=output) as child:
            return child.wait()

    def give_back(self) -> None:
        """Leave what is bound as the programs have left it, once all have ended; mounts need nothing for that."""

    def become(self, cwd: str) -> None:
        """Move this very process into the root, put together in memory, so that nothing of it stays behind.

        Args:
            cwd: Its working directory from then on.
        """
        _separate()
        self.settle(cwd)

    def settle(self, cwd: str, *, has_processes: bool = False) -> None:
        """Do what `become` does in namespaces that are this process's already.

        Args:
            cwd: Its working directory from then on.
            has_processes: Whether it has a namespace of processes too, which is then all that /proc shows.
        """
        _mount("none", "/", _MS_REC | _MS_PRIVATE)
        _mount("tmpfs", str(self.top), _MS_NOSUID | _MS_NODEV, kind="tmpfs")
        self.prepare()
        if has_processes:
            Path(self.top, "proc").mkdir(exist_ok=True)
            _mount("proc", f"{self.top}/proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, kind="proc")
        self._bind(cwd, without=("/proc",) if has_processes else ())

    def prepare(self) -> None:
        """Make the places to mount on."""
        self.top.mkdir(parents=True, exist_ok=True)
        links = {place: os.readlink(path) for place, path in self._of_tree() if path.is_symlink()}  # noqa: PTH115
        for place, target in {**links, **self.links}.items():
            here = self.top / place.lstrip("/")
            here.parent.mkdir(parents=True, exist_ok=True)
            if not here.is_symlink():
                here.symlink_to(target)
        for place, source in self._places().items():
            _make_place(self.top / place.lstrip("/"), is_folder=source.is_dir())
        for place in self.guarded:
            _make_place(self.top / place.lstrip("/"), is_folder=True)

    def _places(self) -> dict[str, Path]:
        of_tree = {place: path for place, path in self._of_tree() if not path.is_symlink()}
        # Places that programs write to are ordinary folders of the build.
        for name in WRITABLE:
            of_tree.pop(name, None)
            (self.top / name[1:]).mkdir(parents=True, exist_ok=True)
        host = {"/proc": Path("/proc"), "/dev": Path("/dev"), "/nix/store": Path("/nix/store")}
        return {**of_tree, **host, **self.binds}

    def _of_tree(self, place: str = "") -> Iterator[tuple[str, Path]]:
        """Yield what of the tree is seen where, folders as they are but for those that lack a place for a bind."""
        for path in (self.tree / place[1:]).iterdir():
            here = f"{place}/{path.name}"
            inside = [bind for bind in self.binds if bind.startswith(f"{here}/") and here not in WRITABLE]
            # A folder of the store takes nothing new: what is below a place in it is bound one by one instead.
            if path.is_dir() and not path.is_symlink() and any(not (self.tree / bind[1:]).exists() for bind in inside):
                yield from self._of_tree(here)
            else:
                yield here, path

    def enter(self, cwd: str) -> None:
        """Become the program's process: new namespaces, mounts, new root. Runs between fork and exec."""
        _separate()
        _mount("none", "/", _MS_REC | _MS_PRIVATE)
        self._bind(cwd)

    def _bind(self, cwd: str, without: Container[str] = ()) -> None:
        for place, source in sorted(self._places().items()):
            if place in without:
                continue
            here = Path(f"{self.top}{place}")
            # What was made for it may lie below what has been bound since.
            if not here.exists():
                _make_place(here, is_folder=source.is_dir())
            _mount(str(source), str(here), _MS_BIND | _MS_REC)
        for place, source in self.guarded.items():
            _mount_guarded(str(source), f"{self.top}{place}")
        os.chroot(self.top)
        os.chdir(cwd)


def _make_place(here: Path, *, is_folder: bool) -> None:
    """Make what something can be bound on."""
    (here if is_folder else here.parent).mkdir(parents=True, exist_ok=True)
    if not is_folder:
        here.touch()


def _separate() -> None:
    """Leave the namespaces of users and mounts that this process shares with others."""
    uid, gid = os.getuid(), os.getgid()
    _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare")
    map_user(uid, gid)


def map_user(uid: int, gid: int) -> None:
    """Become the image's user in a user namespace that is this process's already.

    Args:
        uid: The user outside.
        gid: The group outside.
    """
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{UID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{UID} {gid} 1")


def _mount(source: str, target: str, flags: int, *, kind: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode() or None, flags, None)
    _check(result, f"mount {source} on {target}")


def _mount_guarded(source: str, target: str) -> None:
    """Bind a folder in which no symbolic link is followed, or leave the place empty."""
    _mount(source, target, _MS_BIND | _MS_REC)
    # struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_NOSYMFOLLOW)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    if _libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, attributes, size):
        _check(_libc.umount2(target.encode(), _MNT_DETACH), f"umount {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")

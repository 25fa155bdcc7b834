"""A fresh machine: a minimal Debian in a root of its own, on which nothing of this project ever ran."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_MAKE: Final = Path(__file__).with_name("minimal_debian.sh")
_OWNER: Final = 1000
"""The number of `ana`, an ordinary user."""

# $1: the root; $2: user and group; $3: home folder; from $4: the command.
# pivot_root and not chroot, below which the kernel makes no user namespace.
_ENTER: Final = """
set -e
mount --bind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mkdir .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
user=$2 home=$3; shift 3
cd "$home/project"
exec setpriv --reuid "$user" --regid "$user" --clear-groups -- "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FreshMachine:
    """A minimal Debian and the user whose home folder has a checkout, `project`.

    Attributes:
        root: Its root file system.
        uid: The user's number.
        home: His home folder there.
    """

    root: Path
    uid: int
    home: Path

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout as the user, with a login's few variables, in namespaces of its own."""
        spaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
        enter = ["sh", "-c", _ENTER, "enter", str(self.root), str(self.uid), str(self.home)]
        proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
        path = "/usr/local/bin:/usr/bin:/bin" + (":/usr/local/sbin:/usr/sbin:/sbin" if self.uid == 0 else "")
        inside = {**proxies, "HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8", "TERM": "dumb"}
        login = ["env", "-i", *(f"{key}={value}" for key, value in inside.items())]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        command = [*spaces, *enter, *login, *argv]
        return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def leftovers(self) -> list[str]:
        """Return what lies in its folder for temporary files."""
        return sorted(path.name for path in (self.root / "tmp").iterdir())


def make(folder: Path, suite: str, *, ordinary: bool) -> FreshMachine:
    """Make a machine of a Debian release, with this checkout's files as a clone has them.

    Args:
        folder: An empty folder that everybody may look into.
        suite: The release's name, such as `trixie`.
        ordinary: Whether the user is an ordinary one, or root.
    """
    if os.geteuid() != 0:
        pytest.skip("a fresh machine has files of several users, which root alone can make")
    subprocess.run([str(_MAKE), str(folder), suite], check=True)
    home = Path("/home/ana" if ordinary else "/root")
    machine = FreshMachine(root=folder / "root", uid=_OWNER if ordinary else 0, home=home)
    checkout = machine.root / home.relative_to("/") / "project"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, checkout / name, follow_symlinks=False)
    subprocess.run(["git", "init", "--quiet", str(checkout)], check=True)
    subprocess.run(["git", "-C", str(checkout), "add", "."], check=True)
    subprocess.run(["chown", "-R", f"{machine.uid}:{machine.uid}", str(checkout.parent)], check=True)
    return machine

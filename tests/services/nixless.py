"""A home folder with a checkout in it, for an ordinary user who has neither Nix nor Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[2]
USER = 65534
"""`nobody`: an ordinary user that every Debian has."""

AS_ROOT = os.getuid() == 0

# Not TMPDIR: the user of these tests may not look into the folder that the development shell sets.
TEMPORARY = "/var/tmp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A home folder with a checkout in it, and programs on PATH that are a machine's least.

    Attributes:
        home: The user's home folder.
        checkout: A copy of this repository's files.
        programs: The folder on PATH.
        inside: Words before a command that make it run elsewhere.
    """

    home: Path
    checkout: Path
    programs: Path
    inside: tuple[str, ...] = ()

    def start(
        self, *arguments: str, before: tuple[str, ...] = (), program: Path | None = None, **variables: str
    ) -> subprocess.Popen[str]:
        """Start `nixw`, or another program, as the user, in a process group of its own."""
        passed = {key: value for key, value in os.environ.items() if key.startswith("PIP_") or "proxy" in key.lower()}
        return subprocess.Popen(
            [*self.inside, *before, str(program or self.checkout / "nixw"), *arguments],
            cwd=self.checkout,
            env={**passed, "HOME": str(self.home), "USER": "nobody", "PATH": str(self.programs), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            user=USER if AS_ROOT else None,
            group=USER if AS_ROOT else None,
            extra_groups=[] if AS_ROOT else None,
        )

    def run(
        self, *arguments: str, before: tuple[str, ...] = (), program: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `nixw`, or another program, as the user to its end."""
        with self.start(*arguments, before=before, program=program, **variables) as child:
            out, err = child.communicate()
        return subprocess.CompletedProcess(arguments, child.returncode, out, err)


def hide_store(machine: Machine) -> Machine:
    """Return the machine as one without a store, since who is not root may have one of his own at /nix."""
    if AS_ROOT:
        return machine
    hidden = mount_store(machine, machine.home / "no-store")
    (machine.home / "no-store/nix").chmod(0o555)
    return hidden


def mount_store(machine: Machine, store: Path) -> Machine:
    """Return the machine as one whose /nix is an empty folder that belongs to the user."""
    (store / "nix").mkdir(parents=True)
    own(store)
    space = ("unshare", "--user", "--map-root-user", "--mount", "--propagation", "private", "--")
    user = (str(USER), str(USER)) if AS_ROOT else (str(os.getuid()), str(os.getgid()))
    enter = (str(machine.checkout / "nix/bootstrap/enter.sh"), str(store), *user)
    return replace(machine, inside=(*space, *enter))


def own(top: Path) -> None:
    """Give a folder to the user."""
    if AS_ROOT:
        subprocess.run(["chown", "-R", f"{USER}:{USER}", str(top)], check=True)


def copy_checkout(target: Path) -> Path:
    """Copy the files that git knows of, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target

"""A machine whose PID 1 is systemd, of this machine's files but its own programs and units; it can be switched off."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.services import debian

from estiba import process

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from estiba.process import Completed

PACKAGE: Final = "systemd"
_LIMIT: Final = 120.0
_SCRIPT: Final = Path(__file__).with_suffix(".sh")
_MANAGER: Final = Path(__file__).with_name("manager.service")
_SPACES: Final = ("--pid", "--mount", "--cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine that runs.

    Attributes:
        pid: Of its systemd, as this machine sees it.
        log: What systemd says.
    """

    pid: int
    log: Path

    def inside(self, folder: Path) -> list[str]:
        """Return the words before a command that make it run there, in a folder."""
        return ["nsenter", f"--target={self.pid}", *_SPACES, "--", "env", "-C", str(folder)]

    @property
    def root(self) -> Path:
        """Its root file system, as this machine sees it."""
        return Path(f"/proc/{self.pid}/root")

    def control(self, *words: str) -> str:
        """Run systemctl and return what it says."""
        argv = [*self.inside(Path("/")), "systemctl", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()

    def run(self, argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as `process.run` takes them
        """Run a command there; a `Runner`."""
        return process.run([*self.inside(Path("/")), *argv], **options)

    def log_in(self) -> User:
        """Start the service manager of an ordinary user."""
        (self.root / "run/systemd/system").mkdir(exist_ok=True)
        shutil.copy(_MANAGER, self.root / "run/systemd/system")
        self.control("daemon-reload")
        self.control("start", _MANAGER.name)
        return User(machine=self, uid=33, home=Path("/run/home"))


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An ordinary user who is logged in.

    Attributes:
        machine: Where.
        uid: His number.
        home: His home folder there.
    """

    machine: Machine
    uid: int
    home: Path

    def run(self, argv: Sequence[str], **options: Any) -> Completed:  # noqa: ANN401 - as `process.run` takes them
        """Run a command as this user; a `Runner`."""
        identity = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        env = ["env", f"HOME={self.home}", f"XDG_RUNTIME_DIR=/run/user/{self.uid}"]
        return self.machine.run([*identity, *env, *argv], **options)


@contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Run a machine until the end of the block, when its processes are gone at once, as without power.

    Args:
        folder: Keeps its units, and its log.

    Raises:
        RuntimeError: It does not start; the message has the end of its log.
    """
    inside = debian.inside(PACKAGE)
    units = folder / "units"
    units.mkdir(parents=True, exist_ok=True)
    group = _cgroups() / f"estiba-{folder.name}-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"systemd needs a control group of its own, which cannot be made here: {error}")
    argv = ["unshare", *_SPACES, "--uts", "--ipc", "--fork", "--kill-child", "--", "sh", str(_SCRIPT), str(units)]
    enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *inside, *argv]
    log = folder / "log"
    with log.open("ab") as output, subprocess.Popen(enter, stdout=output, stderr=output) as child:
        try:
            yield _await(child, log)
        finally:
            child.kill()
            child.wait()
            _remove(group)


def _cgroups() -> Path:
    """Return where the second version of control groups is mounted."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = [Path(words[1]) for words in mounts if words[2] == "cgroup2"]
    if not found:
        pytest.skip("systemd needs the second version of control groups, which is not mounted here")
    return found[0]


def _await(child: subprocess.Popen[bytes], log: Path) -> Machine:
    deadline = time.monotonic() + _LIMIT
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children")
    while time.monotonic() < deadline and child.poll() is None:
        pids = children.read_text().split()
        if pids:
            machine = Machine(pid=int(pids[0]), log=log)
            if machine.control("is-system-running") == "running":
                return machine
        time.sleep(0.1)
    message = f"systemd did not start:\n{log.read_text()[-2000:]}"
    raise RuntimeError(message)


def _remove(group: Path) -> None:
    """Remove a control group, with those in it, as soon as the last of its processes is gone."""
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline and "populated 1" in (group / "cgroup.events").read_text():
        time.sleep(0.1)
    for folder, _, _ in os.walk(group, topdown=False):
        Path(folder).rmdir()

"""systemd unit that starts a target's supervisor at boot and restarts it after a failure, where systemd is PID 1."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.errors import CommandError, MissingProgramError
from estiba.process import run

if TYPE_CHECKING:
    from estiba.deploy.host.state.folder import StateFolder
    from estiba.process import Runner

_SHIPPED: Final = Path(__file__).parent / "units"
_SYSTEM: Final = "etc/systemd/system"
_USER: Final = "systemd/user"
_USUAL: Final = ".config"
_LONGEST: Final = 255
"""Longest file name on Linux, in bytes (NAME_MAX); the name of a unit is one."""
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Instance of a template unit (systemd.unit(5)), `estiba@<folder>.service`, copied from `units/`.

    Attributes:
        folder: State folder of the target.
        is_system: Whether it is a unit of the system manager, as for root, or of the user's manager.
        runner: Runner of systemctl.
        root: Root of the file system, other than `/` in tests.
        home: Home folder of the user.
    """

    folder: StateFolder
    is_system: bool
    runner: Runner = run
    root: Path = Path("/")
    home: Path = Path("~")

    @property
    def name(self) -> str:
        """Name of the unit; its instance name is the escaped folder, which the unit file refers to as `%f`."""
        return f"estiba@{escape(self.folder.path)}.service"

    @property
    def file(self) -> Path:
        """Path of the unit file, in the search path of the manager."""
        return (self.root / _SYSTEM if self.is_system else self._user_folder()) / self.name

    @property
    def is_possible(self) -> bool:
        """Whether systemd is PID 1 (sd_booted(3)), and runs a manager for this user."""
        has_booted = (self.root / "run/systemd/system").is_dir()
        manager = self.root / f"run/user/{self.folder.uid}/systemd/private"
        return has_booted and (self.is_system or manager.exists()) and len(self.name) <= _LONGEST

    def start(self) -> bool:
        """Enable and start the unit, and return whether it is active.

        It is not where systemd does not see the state folder or the Nix store, such as a user's own store that `./nixw`
        mounts at /nix.
        """
        if not self.is_possible:
            return False
        file = self.file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_SHIPPED / ("system.service" if self.is_system else "user.service"), file)
            self._control("daemon-reload")
            self._control("enable", "--now", self.name)
            # `enable --now` succeeds even if the unit fails right after its start.
            self._control("is-active", "--quiet", self.name)
        except (CommandError, MissingProgramError, OSError):
            self.stop()
            return False
        return True

    def stop(self) -> None:
        """Disable, stop and remove the unit."""
        file = self.file
        if not file.exists():
            return
        try:
            self._control("disable", "--now", self.name, check=False)
            file.unlink()
            self._control("daemon-reload", check=False)
            self._control("reset-failed", self.name, check=False)
        except MissingProgramError:
            file.unlink(missing_ok=True)

    def advice(self) -> str:
        """Return advice for a user whose units end with the last session (loginctl(1), lingering), or an empty one."""
        if self.is_system or not self.file.exists():
            return ""
        lingers = (self.root / "var/lib/systemd/linger" / pwd.getpwuid(os.getuid()).pw_name).exists()
        return "" if lingers else "the service ends with your last session unless you run: loginctl enable-linger"

    def _user_folder(self) -> Path:
        """Return the folder of the user's units from the manager, whose XDG variables may differ from the shell's."""
        shown = ""
        if self.is_possible:
            argv = ["systemctl", "--user", "show", "--property=UnitPath", "--value"]
            with contextlib.suppress(MissingProgramError):
                shown = self.runner(argv, check=False).stdout
        # UnitPath is ordered by precedence, so the user's own folder comes before those of the machine.
        found = next((path for path in shown.split() if path.endswith(f"/{_USER}")), "")
        return self.root / found.lstrip("/") if found else self.home.expanduser() / _USUAL / _USER

    def _control(self, *args: str, check: bool = True) -> None:
        manager = [] if self.is_system else ["--user"]
        self.runner(["systemctl", *manager, *args], check=check)


def escape(path: Path) -> str:
    """Escape a path for the name of a unit, as `systemd-escape --path` does (systemd.unit(5))."""
    text = str(path).strip("/")
    escaped = "".join(_escape(character) for character in text)
    return f"\\x2e{escaped[1:]}" if escaped.startswith(".") else escaped


def _escape(character: str) -> str:
    if character == "/":
        return "-"
    return character if character in _PLAIN else "".join(f"\\x{byte:02x}" for byte in character.encode())

"""systemd, where it is PID 1: it starts a target's supervisor at boot, and again when that has failed."""

from __future__ import annotations

import contextlib
import getpass
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
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """The unit of one target: a shipped file whose copy is named by the target's folder.

    Attributes:
        folder: The target's folder.
        is_system: Whether it is the machine's, as the superuser's are, or an ordinary user's.
        runner: Runs systemctl.
        root: The machine's root file system.
        home: The home folder of an ordinary user.
    """

    folder: StateFolder
    is_system: bool
    runner: Runner = run
    root: Path = Path("/")
    home: Path = Path("~")

    @property
    def name(self) -> str:
        """The unit's name, from which systemd reads the folder again."""
        return f"estiba@{escape(self.folder.path)}.service"

    @property
    def file(self) -> Path:
        """Where systemd looks for it."""
        return (self.root / _SYSTEM if self.is_system else self._user_folder()) / self.name

    @property
    def is_possible(self) -> bool:
        """Whether systemd runs here, for this user too (sd_booted(3))."""
        has_booted = (self.root / "run/systemd/system").is_dir()
        manager = self.root / f"run/user/{self.folder.uid}/systemd/private"
        return has_booted and (self.is_system or manager.exists()) and len(self.name) <= _LONGEST

    def start(self) -> bool:
        """Have systemd run the supervisor from now on; tell whether it does.

        It does not where its processes do not see the folder or the store, as with a store of an ordinary user's own.
        """
        if not self.is_possible:
            return False
        file = self.file
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(_SHIPPED / ("system.service" if self.is_system else "user.service"), file)
            self._control("daemon-reload")
            self._control("enable", "--now", self.name)
            self._control("is-active", "--quiet", self.name)
        except (CommandError, MissingProgramError, OSError):
            self.stop()
            return False
        return True

    def stop(self) -> None:
        """Have systemd forget the supervisor, and end what runs under it."""
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
        """Return what this user has to do to have the service outlive his sessions, or an empty string."""
        if self.is_system or not self.file.exists():
            return ""
        lingers = (self.root / "var/lib/systemd/linger" / getpass.getuser()).exists()
        return "" if lingers else "the service ends with your last session unless you run: loginctl enable-linger"

    def _user_folder(self) -> Path:
        """Return where the user's manager reads his own units; it need not have the environment of his shell."""
        shown = ""
        if self.is_possible:
            argv = ["systemctl", "--user", "show", "--property=UnitPath", "--value"]
            with contextlib.suppress(MissingProgramError):
                shown = self.runner(argv, check=False).stdout
        # The first of that name is the user's, then come the machine's.
        found = next((path for path in shown.split() if path.endswith(f"/{_USER}")), "")
        return self.root / found.lstrip("/") if found else self.home.expanduser() / _USUAL / _USER

    def _control(self, *words: str, check: bool = True) -> None:
        manager = [] if self.is_system else ["--user"]
        self.runner(["systemctl", *manager, *words], check=check)


def escape(path: Path) -> str:
    """Return a path as it stands in the name of a unit (systemd.unit(5))."""
    text = str(path).strip("/")
    escaped = "".join(_escape(character) for character in text)
    return f"\\x2e{escaped[1:]}" if escaped.startswith(".") else escaped


def _escape(character: str) -> str:
    if character == "/":
        return "-"
    return character if character in _PLAIN else "".join(f"\\x{byte:02x}" for byte in character.encode())

"""State folder of a target, which outlives releases: database, uploads, logs, revisions, secrets."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from estiba import files
from estiba.deploy.host.state import users
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_PASSED: Final = ("data", "logs", "profile", "roots", "run", "serve", "serve/releases", "services", "settings", "tasks")
"""Folders of the deploying user that others pass through to their own, but write nothing in."""

Owners: TypeAlias = "Mapping[str, tuple[str | None, str | None]]"
"""Folders of programs, each with its user, and with the group that has access too, see `users`."""

_OWNED: Final[Owners] = {
    "data/media": (users.SERVICE, users.NGINX),
    "data/redis": (users.REDIS, None),
    "run/postgresql": (users.POSTGRESQL, users.SERVICE),
    "run/redis": (users.REDIS, users.SERVICE),
    "settings/postgresql": (None, users.POSTGRESQL),
    "settings/redis": (None, users.REDIS),
}

_USERS: Final = "users.json"
_PRIVATE: Final = 0o700
_PASSABLE: Final = 0o711
_GROUP: Final = 0o2750
"""Mode of a folder with a group: the bit before makes what is created in it, such as a socket, the group's too."""

_SECRET_BYTES: Final = 48


def damage(path: Path, reason: str) -> TargetError:
    """Return the error for a file of a state folder that does not hold what it should."""
    return TargetError(f"{path} is damaged: {reason}", hint="restore it from a backup, or remove it")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """State folder of a target, with atomic writes of its files.

    Where root deploys, each kind of program has a user of its own (see `users`), and all that root reads or writes by
    its name lies in folders of root's: a program can put no link in its way.

    Attributes:
        path: Path of the folder.
        uid: User ID of the deploying user.
    """

    path: Path
    uid: int

    @classmethod
    def at(cls, path: Path) -> StateFolder:
        """Return the state folder at a path, whether it exists or not."""
        return cls(path=path, uid=os.geteuid())

    @property
    def is_root(self) -> bool:
        """Whether root deploys, so that programs have to switch to other users."""
        return self.uid == 0

    @property
    def is_shared(self) -> bool:
        """Whether root deployed here with an earlier version, all of whose programs have one user, and write here."""
        folders = [path for name in ("services", "tasks", "logs") if (path := self.path / name).exists()]
        return self.is_root and any(path.lstat().st_uid != self.uid for path in folders)

    def user(self, name: str | None) -> int | None:
        """Return the user ID, which is the group ID too, of a kind of program, or None if it is the deploying user.

        Args:
            name: One of `users.NAMES`, or None for the deploying user.
        """
        return self._first() + users.NAMES.index(name) if self.is_root and name else None

    def prepare(self, owners: Owners = _OWNED) -> None:
        """Create the folder and its subfolders with their owners and modes.

        Args:
            owners: Folders of the programs; by default those of a target.

        Raises:
            TargetError: This user may not, or a file is in the way.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._check_owner()
            # Programs pass through to their own folders, but cannot list this one.
            self.path.chmod(_PASSABLE)
            # It has copies of logs, which may hold personal data.
            self.own(self.path / "evidence")
            # What was created with one user for all is converted first, see `conversion`.
            if not self.is_shared:
                self._divide(owners)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            msg = f"{error.filename} cannot be written to: {error.strerror}"
            hint = "set folder in [tool.estiba.targets.local], or let this user write there"
            raise TargetError(msg, hint=hint) from error

    def _check_owner(self) -> None:
        """Check that root writes in no folder of another user, who could put a link anywhere.

        Raises:
            TargetError: The folder is another user's.
        """
        if self.is_root and (owner := self.path.stat().st_uid) != self.uid:
            msg = f"{self.path} belongs to the user with the ID {owner}, and root writes only in folders of its own"
            hint = "deploy as that user, or set folder in [tool.estiba.targets.local] to another one"
            raise TargetError(msg, hint=hint)

    def _divide(self, owners: Owners) -> None:
        """Create the folders of the deploying user and of the programs."""
        for name in _PASSED:
            self.open_up(self.path / name)
        # The supervisor's programs find the links in it by their names.
        (self.path / "roots").chmod(0o755)
        for name, (user, group) in owners.items():
            self.own(self.path / name, self.user(user), group=self.user(group))

    def _first(self) -> int:
        """Return the first user ID of the target, which is chosen once and kept."""
        file = self.path / _USERS
        known = self.read(file).get("first")
        if known is None:
            known = users.choose(self.path)
            if self.path.exists():
                self.write(file, {"first": known})
        if not isinstance(known, int) or known < 1:
            raise damage(file, f"{known!r} is no user ID")
        return known

    def claim(self, project: Path) -> None:
        """Prepare the folder and record which service it belongs to.

        Args:
            project: Folder of the service.

        Raises:
            TargetError: It belongs to another service, or Nix would copy it into the store with the service's sources.
        """
        service = project.resolve()
        if self.path.is_relative_to(service) and not files.find_repository(service):
            msg = f"{self.path} lies in the service's folder, which Nix copies as a whole where it is no git repository"
            raise TargetError(msg, hint="set folder in [tool.estiba.targets.local] to one outside, or run git init")
        self.prepare()
        known = self.read(self.path / "service.json").get("folder", str(service))
        # A service that was moved keeps its folder.
        if known != str(service) and Path(known).exists():
            msg = f"{self.path} belongs to the service in {known}, and this is {service}"
            hint = "set folder in [tool.estiba.targets.local] to have one of its own"
            raise TargetError(msg, hint=hint)
        self.write(self.path / "service.json", {"folder": str(service)})

    def open_up(self, path: Path) -> None:
        """Create a folder of the deploying user that programs pass through, but neither list nor write to."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(_PASSABLE)

    def own(self, path: Path, user: int | None = None, *, group: int | None = None) -> None:
        """Create a folder that belongs to a program, in one of the deploying user's.

        Args:
            path: Path of the folder; a link to another disk, which only the deploying user can have made, is followed.
            user: User ID of the program, see `user`; by default the deploying user.
            group: Group ID of another program that has access too.

        Raises:
            OSError: Something else is in its place.
        """
        path.mkdir(parents=True, exist_ok=True)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            owner = self.uid if user is None else user
            if group or os.fstat(folder).st_uid != owner:
                os.fchown(folder, owner, group or owner)
            os.fchmod(folder, _GROUP if group else _PRIVATE)
        finally:
            os.close(folder)

    def keep(self, places: Iterable[str], *, shared: Collection[str] = ()) -> None:
        """Create the folders of data that the service itself names, by their paths in its root file system.

        Args:
            places: The folders.
            shared: Those that nginx reads, too.
        """
        data = self.path / "data"
        for place in places:
            path = data / f"folders{place}"
            for above in list(path.relative_to(data).parents)[-2::-1]:
                self.open_up(data / above)
            self.own(path, self.user(users.SERVICE), group=self.user(users.NGINX) if place in shared else None)

    def write(self, path: Path, data: object) -> None:
        """Write JSON to a file atomically; the file belongs to the deploying user alone."""
        self.write_text(path, json.dumps(data, sort_keys=True, indent=1) + "\n")

    def write_text(self, path: Path, text: str, *, mode: int = 0o600, group: str | None = None) -> None:
        """Write text to a file atomically, unless it has the same text and mode.

        Args:
            path: Path of the file, in a folder of the deploying user.
            text: Content of the file.
            mode: Permission bits.
            group: Kind of program whose group the file gets, see `users`.
        """
        with contextlib.suppress(OSError):
            if files.read(path) == text and path.stat().st_mode & 0o777 == mode:
                return
        gid = self.user(group)
        files.write(path, text, mode=mode, owner=None if gid is None else (0, gid))

    def link(self, path: Path, target: str | Path) -> None:
        """Create or replace a symbolic link atomically."""
        if path.is_symlink() and str(path.readlink()) == str(target):
            return
        made = path.with_name(f".{path.name}.new")
        made.unlink(missing_ok=True)
        made.symlink_to(target)
        made.replace(path)

    def read(self, path: Path) -> dict[str, Any]:
        """Read a JSON object; a file that does not exist counts as an empty one.

        Raises:
            TargetError: The file cannot be read, or is damaged.
        """
        text = self.read_text(path)
        if text is None:
            return {}
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise damage(path, str(error)) from error
        if not isinstance(data, dict):
            raise damage(path, "not a JSON object")
        return data

    def read_text(self, path: Path) -> str | None:
        """Read a text file, or return None if it does not exist; bytes that are not UTF-8 become U+FFFD.

        Raises:
            TargetError: The file cannot be read, or is not a regular one.
        """
        try:
            return files.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise TargetError(msg, hint="check its type, owner and mode") from error

    def read_state(self, path: Path) -> dict[str, Any]:
        """Read a JSON object as `read` does; a damaged file counts as an empty one too.

        For files that say what runs: they are not synced to disk at each start of a process, so a power failure may
        leave them empty, and the next deployment writes them again.
        """
        try:
            return self.read(path)
        except TargetError:
            return {}

    def secret(self, name: str) -> str:
        """Return a secret of 48 random bytes in URL-safe base64, such as `SECRET_KEY`; generated at first use."""
        file = self.path / "secrets.json"
        known = self.read(file)
        if name not in known:
            known[name] = secrets.token_urlsafe(_SECRET_BYTES)
            self.write(file, known)
        return str(known[name])

    def space(self) -> int:
        """Return the free bytes of the folder's file system, or of the database's if that is another one with less."""
        # Before the first deployment there is no folder yet, and its nearest parent has the file system.
        parent = next(path for path in (self.path, *self.path.parents) if path.exists())
        database = self.path / "data" / "postgresql"
        return min(shutil.disk_usage(path).free for path in (parent, database) if path.exists())

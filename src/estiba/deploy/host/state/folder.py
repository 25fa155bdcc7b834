"""State folder of a target, which outlives releases: database, uploads, logs, revisions, secrets."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from estiba import files
from estiba.errors import TargetError

UID: Final = 10001
"""User and group ID that the processes run as where root deploys; the same as in the image."""

_OWNED: Final = ("data/media", "data/redis", "logs", "run/postgresql", "run/redis", "services", "tasks")
"""Folders that the processes write to, and own."""

_SECRET_BYTES: Final = 48


def is_versioned(service: Path) -> bool:
    """Return whether a folder is in a git repository, of which Nix copies tracked files only, else the whole folder."""
    return any((path / ".git").exists() for path in (service, *service.parents))


def damage(path: Path, reason: str) -> TargetError:
    """Return the error for a file of a state folder that does not hold what it should."""
    return TargetError(f"{path} is damaged: {reason}", hint="restore it from a backup, or remove it")


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """State folder of a target, with atomic writes of its files.

    Attributes:
        path: Path of the folder.
        uid: User ID to run the processes as.
        gid: Group ID to run the processes as.
    """

    path: Path
    uid: int
    gid: int

    @classmethod
    def at(cls, path: Path) -> StateFolder:
        """Return the state folder at a path, whether it exists or not."""
        if os.geteuid() == 0:
            return cls(path=path, uid=UID, gid=UID)
        return cls(path=path, uid=os.geteuid(), gid=os.getegid())

    @property
    def user(self) -> int | None:
        """User ID to switch to before a process starts, or None without a switch."""
        return self.uid if os.geteuid() == 0 else None

    def prepare(self) -> None:
        """Create the folder and its subfolders with their owners and modes.

        Raises:
            TargetError: This user may not, or a file is in the way.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # The processes' user passes through to its own folders, but cannot list this one.
            self.path.chmod(0o711)
            for name in ("data", "evidence", "profile", "roots", "serve/releases"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            # The processes' user follows the links in it, such as that to the supervisor.
            (self.path / "roots").chmod(0o755)
            # It has copies of logs, which may hold personal data.
            (self.path / "evidence").chmod(0o700)
            for name in _OWNED:
                self.own(self.path / name)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            msg = f"{error.filename} cannot be written to: {error.strerror}"
            hint = "set folder in [tool.estiba.targets.local], or let this user write there"
            raise TargetError(msg, hint=hint) from error

    def claim(self, project: Path) -> None:
        """Prepare the folder and record which service it belongs to.

        Args:
            project: Folder of the service.

        Raises:
            TargetError: It belongs to another service, or Nix would copy it into the store with the service's sources.
        """
        service = project.resolve()
        if self.path.is_relative_to(service) and not is_versioned(service):
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

    def own(self, path: Path, mode: int = 0o700) -> None:
        """Create a folder that belongs to the processes' user.

        Raises:
            OSError: Something else is in its place.
        """
        path.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        # A link that the processes' user has made could hand him any folder of root's.
        if self.user is not None and path.parent.stat().st_uid == self.uid:
            flags |= os.O_NOFOLLOW
        folder = os.open(path, flags)
        try:
            if os.fstat(folder).st_uid != self.uid:
                os.fchown(folder, self.uid, self.gid)
            os.fchmod(folder, mode)
        finally:
            os.close(folder)

    def write(self, path: Path, data: object) -> None:
        """Write JSON to a file atomically; the file belongs to the processes' user."""
        self.write_text(path, json.dumps(data, sort_keys=True, indent=1) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write text to a file atomically, as `write` does; a file with the same text is left alone."""
        with contextlib.suppress(OSError):
            if files.read(path) == text:
                return
        files.write(path, text, owner=(self.uid, self.gid) if self.user is not None else None)

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

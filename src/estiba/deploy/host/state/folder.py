"""The folder that outlives releases: database, uploads, logs, and what is known of deployments."""

from __future__ import annotations

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
"""Who runs the processes where the superuser deploys; the image's user."""

_OWNED: Final = ("data/media", "data/redis", "logs", "run/postgresql", "run/redis", "services", "tasks")
"""Folders that the processes write to."""

_SECRET_BYTES: Final = 48


def is_versioned(service: Path) -> bool:
    """Tell whether a service's folder is in a git repository, whose files alone Nix copies, or is copied as a whole."""
    return any((place / ".git").exists() for place in (service, *service.parents))


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFolder:
    """Paths in a target's folder, and files in it that change as a whole.

    Attributes:
        path: The folder.
        uid: The user that the processes run as.
        gid: His group.
    """

    path: Path
    uid: int
    gid: int

    @classmethod
    def at(cls, path: Path) -> StateFolder:
        """Return the folder at a path, whether it exists or not."""
        if os.geteuid() == 0:
            return cls(path=path, uid=UID, gid=UID)
        return cls(path=path, uid=os.geteuid(), gid=os.getegid())

    @property
    def user(self) -> int | None:
        """The user to become before a process starts, or None where that is this one already."""
        return self.uid if os.geteuid() == 0 else None

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            TargetError: That is not allowed.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o711)
            for name in ("data", "evidence", "profile", "roots", "serve/releases"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            (self.path / "roots").chmod(0o755)
            # Logs are in it, which are not for everybody.
            (self.path / "evidence").chmod(0o700)
            for name in _OWNED:
                self.own(self.path / name)
        except (PermissionError, FileExistsError, NotADirectoryError) as error:
            msg = f"{error.filename} cannot be written to: {error.strerror}"
            hint = "set folder in [tool.estiba.targets.local], or let this user write there"
            raise TargetError(msg, hint=hint) from error

    def claim(self, project: Path) -> None:
        """Take the folder for the service in another one, unless it is a different service's.

        Raises:
            TargetError: It is, or it lies where Nix would copy the database into the store.
        """
        service = project.resolve()
        if self.path.is_relative_to(service) and not is_versioned(service):
            msg = f"{self.path} lies in the service's folder, which Nix copies as a whole where it is no git repository"
            raise TargetError(msg, hint="set folder in [tool.estiba.targets.local] to one outside, or run git init")
        self.prepare()
        known = self.read(self.path / "service.json").get("folder", str(service))
        if known != str(service) and Path(known).exists():
            msg = f"{self.path} belongs to the service in {known}, and this is {service}"
            hint = "set folder in [tool.estiba.targets.local] to have one of its own"
            raise TargetError(msg, hint=hint)
        self.write(self.path / "service.json", {"folder": str(service)})

    def own(self, path: Path, mode: int = 0o700) -> None:
        """Make a folder that the processes write to."""
        path.mkdir(parents=True, exist_ok=True)
        if path.stat().st_uid != self.uid:
            os.chown(path, self.uid, self.gid)
        path.chmod(mode)

    def write(self, path: Path, data: object) -> None:
        """Write JSON to a file that the processes may read; the file is the old or the new one at any time."""
        self.write_text(path, json.dumps(data, sort_keys=True, indent=1) + "\n")

    def write_text(self, path: Path, text: str) -> None:
        """Write text in the same way; a file that has it already is left alone."""
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        files.write(path, text, owner=(self.uid, self.gid) if self.user is not None else None)

    def link(self, path: Path, target: str | Path) -> None:
        """Make a symbolic link, in place of the one that is there, at once."""
        if path.is_symlink() and str(path.readlink()) == str(target):
            return
        made = path.with_name(f".{path.name}.new")
        made.unlink(missing_ok=True)
        made.symlink_to(target)
        made.replace(path)

    def read(self, path: Path) -> dict[str, Any]:
        """Read JSON; a file that does not exist is empty."""
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return data

    def secret(self, name: str) -> str:
        """Return what nobody can guess, such as the key that the service signs with; it is made once and stays."""
        file = self.path / "secrets.json"
        known = self.read(file)
        if name not in known:
            known[name] = secrets.token_urlsafe(_SECRET_BYTES)
            self.write(file, known)
        return str(known[name])

    def space(self) -> int:
        """Return how many bytes the folder's disk has left, or the database's where that has one of its own."""
        places = (self.path, self.path / "data" / "postgresql")
        return min(shutil.disk_usage(place).free for place in places if place.exists())

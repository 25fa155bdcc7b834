"""Files of a folder in no git repository, of which a build takes all that is there."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final

from estiba.build import tracked
from estiba.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_IGNORED: Final = ".gitignore"
_ENVIRONMENTS: Final = (".venv", "node_modules", "venv")
_MARK: Final = "pyvenv.cfg"
_SERVERS: Final = ".estiba/services"
"""Where the development servers keep their data, as in `nix/build/shell/run_services.py`."""

_VARIABLES: Final = re.compile(r"(.*/)?\.env(\.(?!example|sample|template|dist).*)?")
_KEY: Final = b"PRIVATE KEY"
_LARGE: Final = 65536


def check(folder: Path, found: Sequence[str], *, exclude: Sequence[str], include: Sequence[str]) -> list[str]:
    """Check what a build takes of a folder in no git repository.

    Nix copies a folder with a flake whole into its store, where everybody on the machine can read it. Of a folder
    without one it copies what belongs to the image.

    Args:
        folder: Folder of the service.
        found: What `find` returns for it.
        exclude: Globs of files that are left out of the image, as in `[tool.estiba]`.
        include: Globs of files that belong to the service in spite of their name.

    Returns:
        A sentence about data that may be there by mistake.

    Raises:
        BuildError: Environments, secrets or data would be copied that are no part of the service.
    """
    place = folder.resolve()
    is_wanted, is_left_out = tracked.matcher(include), tracked.matcher(exclude)
    held = [path for path in found if not is_wanted(path)]
    if (place / "flake.nix").exists():
        _refuse(place, held)
        return []
    held = [path for path in held if not is_left_out(path)]
    if secrets := [path for path in held if tracked.SECRET.fullmatch(path)]:
        msg = f"{tracked.shorten(secrets)}: a key or a password, which everybody who has the image could read"
        raise BuildError(msg, hint="keep it elsewhere, or exclude it in [tool.estiba]; if it is none, include it")
    return tracked.tell(tracked.IN_IMAGE, [path for path in held if tracked.DATA.fullmatch(path)])


def find(folder: Path) -> list[str]:
    """Return what no repository of a service should have, relative to its folder, sorted; a folder ends with a slash.

    That is: environments with packages of others, files of variables, databases, keys and passwords.
    """
    return sorted(_find(folder, folder))


def is_ignored(path: str, patterns: str) -> bool:
    """Tell whether lines of a `.gitignore` at the top name a path, or a folder that it is in.

    Args:
        path: Relative to the top.
        patterns: Text of the file.
    """
    lines = [line.strip() for line in patterns.splitlines()]
    wanted = [line.strip("/") for line in lines if line and not line.startswith(("#", "!"))]
    places = [PurePath(path), *PurePath(path).parents][:-1]
    return any(fnmatch(name, line) for place in places for name in (place.name, str(place)) for line in wanted)


def _find(folder: Path, top: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = str(Path(entry.path).relative_to(top))
            if entry.is_dir(follow_symlinks=False):
                if path == _SERVERS or entry.name in _ENVIRONMENTS or Path(entry.path, _MARK).exists():
                    yield f"{path}/"
                elif entry.name != ".git":
                    yield from _find(Path(entry.path), top)
            elif _is_private(path) or _is_key(entry):
                yield path


def _is_private(path: str) -> bool:
    return any(pattern.fullmatch(path) for pattern in (_VARIABLES, tracked.SECRET, tracked.DATA))


def _is_key(entry: os.DirEntry[str]) -> bool:
    """Tell whether a file with the name of a key or a certificate has a private one; certificates are for all."""
    if not entry.name.endswith((".key", ".pem")) or not entry.is_file():
        return False
    with Path(entry.path).open("rb") as file:
        return _KEY in file.read(_LARGE)


def _refuse(place: Path, found: Sequence[str]) -> None:
    if not found:
        return
    ignored = place / _IGNORED
    patterns = ignored.read_text(encoding="utf-8", errors="replace") if ignored.is_file() else ""
    is_named = all(is_ignored(path, patterns) for path in found)
    msg = f"{place.name} is in no git repository, so Nix would copy all of it, with {tracked.shorten(found)}"
    first = "" if is_named else f"name them in {_IGNORED}, then "
    raise BuildError(msg, hint=f"{first}git init && git add -A")

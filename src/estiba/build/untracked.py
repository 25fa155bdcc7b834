"""Files of a service that git does not know, and that a build therefore does not see."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.errors import BuildError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from estiba.process import Runner

_NEEDED: Final = frozenset({"estiba.lock", "flake.nix", "pyproject.toml"})
_LARGE: Final = (".venv", "env", "node_modules", "venv")
_OF_AN_APP: Final = re.compile(r".+/(migrations/(.+\.py)?|templates/.*|static/.+|.+\.(mo|html))")
_SHOWN: Final = 5


def find(folder: Path, *, runner: Runner = run) -> list[str]:
    """Return the new files of a service that are neither in git's index nor ignored, sorted; none outside of git."""
    place = folder.resolve()
    if not files.find_repository(place):
        return []
    done = runner(["git", "-C", str(place), "ls-files", "--others", "--exclude-standard", "-z"], check=False)
    return sorted(filter(None, done.stdout.split("\0"))) if done.code == 0 else []


def choose(names: Iterable[str]) -> list[str]:
    """Return those of new files that a service is likely to need: modules, repositories, and all that is in folders.

    Args:
        names: What `find` returns; a folder with a repository of its own ends with a slash.
    """
    return [name for name in names if name.endswith(".py") or ("/" in name and not _is_aside(name))]


def find_ignored(folder: Path, *, runner: Runner = run) -> list[str]:
    """Return files and folders of apps that .gitignore keeps out of git, as the lists of many projects do; sorted."""
    place = folder.resolve()
    if not files.find_repository(place):
        return []
    asked = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"]
    done = runner(["git", "-C", str(place), *asked], check=False)
    names = done.stdout.split("\0") if done.code == 0 else []
    found = [name for name in names if _OF_AN_APP.fullmatch(name) and not _is_aside(name)]
    folders = tuple(name for name in found if name.endswith("/"))
    kept = (name for name in found if name in folders or not name.startswith(folders))
    return sorted(name for name in kept if not _is_compiled(place / name))


def _is_compiled(path: Path) -> bool:
    """Tell whether a file is what a build makes of the message catalogue beside it."""
    return path.suffix == ".mo" and path.parent.name == "LC_MESSAGES" and path.with_suffix(".po").exists()


def _is_aside(name: str) -> bool:
    """Tell whether a file is in a folder that is hidden or has the packages of others."""
    return any(part.startswith(".") or part in (*_LARGE, "__pycache__") for part in name.split("/"))


def refuse_needed(names: Sequence[str]) -> None:
    """Raise an error if files without which nothing is built are new to git.

    Raises:
        BuildError: They are; the hint has the command that adds them.
    """
    if needed := sorted(_NEEDED & set(names)):
        verb = "are" if len(needed) > 1 else "is"
        msg = f"{' and '.join(needed)} {verb} not in git, and a build sees only what is"
        raise BuildError(msg, hint=f"git add {' '.join(needed)}")


def describe(names: Sequence[str], *, ignored: bool = False) -> str:
    """Return a sentence about new files, or about ignored ones, empty for none."""
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    todo = "take them out of .gitignore, then git add" if ignored else "git add"
    return f"not in git, so the build does not have: {', '.join(names[:_SHOWN])}{more} ({todo})"

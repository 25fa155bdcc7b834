"""Files of a service in git that a build would get wrong, or that should not be in an image."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from estiba.errors import BuildError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from estiba.process import Runner

_SUBMODULE: Final = "160000"
_LINK: Final = "120000"
_SECRET: Final = re.compile(
    r"(.*/)?(id_(rsa|dsa|ecdsa|ed25519)|\.netrc|_netrc|\.pgpass|\.git-credentials|\.pypirc|[^/]*\.(p12|pfx|jks|keystore))"
)
_DATA: Final = re.compile(
    r"(.*/)?([^/]*\.sqlite3?|[^/]*(service[-_]?account|credentials|client_secret)[^/]*\.json)", re.IGNORECASE
)
# Folders of CI systems, which `nix/lib/source.nix` leaves out: Estiba is a submodule in one of them.
_CI: Final = (".ci/**", ".github/**", ".gitlab/**")
_SHOWN: Final = 5


def check(folder: Path, *, exclude: Sequence[str], include: Sequence[str], runner: Runner = run) -> list[str]:
    """Check what git tracks in the folder of a service.

    Args:
        folder: Folder of the service.
        exclude: Globs of files that are left out, as in `[tool.estiba]`.
        include: Globs of files that belong to the service in spite of their name.
        runner: Runs git.

    Returns:
        A sentence for each kind of file that may be there by mistake; none outside of git.

    Raises:
        BuildError: Files are not what they look like in git, or hold a secret.
    """
    place = folder.resolve()
    done = runner(["git", "-C", str(place), "ls-files", "--stage", "-z"], check=False)
    if done.code:
        return []
    entries = [line.partition("\t") for line in done.stdout.split("\0") if line]
    modes = {path: head.split()[0] for head, _, path in entries}
    left_out, wanted = _matcher([*exclude, *_CI]), _matcher(include)
    kept = {path: mode for path, mode in modes.items() if not left_out(path)}
    _refuse_submodules([path for path, mode in kept.items() if mode == _SUBMODULE])
    large = runner(["git", "-C", str(place), "ls-files", "-z", ":(attr:filter=lfs)"], check=False)
    _refuse_pointers([path for path in large.stdout.split("\0") if path and not left_out(path)])
    named = [path for path in kept if not wanted(path)]
    _refuse_secrets([path for path in named if _SECRET.fullmatch(path)])
    outward = [path for path, mode in kept.items() if mode == _LINK and _leads_out(place, path)]
    return [
        *_tell("links that lead out of the service, and to nothing in the image", outward),
        *_tell(
            "in the image, unless [tool.estiba] exclude names it", [path for path in named if _DATA.fullmatch(path)]
        ),
    ]


def _refuse_submodules(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{_list(paths)}: a build sees no files of a git submodule"
        raise BuildError(
            msg, hint="require it as a git+https://…@COMMIT package, copy it, or exclude it in [tool.estiba]"
        )


def _refuse_pointers(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{_list(paths)}: in Git LFS, so git itself has but a pointer, which is what a build may get"
        raise BuildError(msg, hint="git lfs migrate export brings them back to git; or exclude them in [tool.estiba]")


def _refuse_secrets(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{_list(paths)}: a key or a password, which everybody who has the image could read"
        raise BuildError(msg, hint="git rm --cached it; if it is none, name it in include of [tool.estiba]")


def _tell(what: str, paths: Sequence[str]) -> list[str]:
    return [f"{what}: {_list(paths)}"] if paths else []


def _list(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(sorted(paths)[:_SHOWN])}{more}"


def _leads_out(folder: Path, path: str) -> bool:
    link = folder / path
    target = os.path.normpath(link.parent / os.readlink(link)) if link.is_symlink() else str(link)  # noqa: PTH115 - lexically
    return not (target == str(folder) or target.startswith(f"{folder}/"))


def _matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a predicate of paths: `*` and `?` stay within a folder, `**` does not, as in `nix/lib/source.nix`."""
    patterns = [re.compile(_translate(glob)) for glob in globs]
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def _translate(glob: str) -> str:
    head, below = (glob.removesuffix("/**"), "(/.*)?") if glob.endswith("/**") else (glob, "")
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", head)) + below

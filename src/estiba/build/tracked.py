"""Files of a service in git that a build would get wrong, or that should not be in an image."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.build import conversions
from estiba.errors import BuildError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from estiba.process import Runner

_SUBMODULE: Final = "160000"
_LINK: Final = "120000"
IN_IMAGE: Final = "in the image, unless [tool.estiba] exclude names it"
"""What is told of data that may be there by mistake."""

SECRET: Final = re.compile(
    r"(.*/)?(id_(rsa|dsa|ecdsa|ed25519)|\.netrc|_netrc|\.pgpass|\.my\.cnf|\.git-credentials|\.pypirc|\.s3cfg|\.dockercfg"
    r"|\.aws/credentials|\.docker/config\.json|\.kube/config|\.vault_pass(\.txt)?"
    r"|[^/]*\.(p12|pfx|jks|keystore|ppk|kdbx))"
)
"""Names of keys and passwords."""

DATA: Final = re.compile(
    r"(.*/)?([^/]*\.(sqlite3?|db3?)(-(wal|shm|journal))?|dump\.rdb|[^/]+\.((pg)?dump|sql\.(gz|bz2|xz|zst))"
    r"|[^/]*(service[-_]?account|credentials|client_secret)[^/]*\.json|[^/]+\.env|\.envs/.+|\.?secrets?\.(ya?ml|json|toml|ini)"
    r"|\.htpasswd|kubeconfig|[^/]*\.tfstate(\.backup)?)",
    re.IGNORECASE,
)
"""Names of databases and their dumps, keys of cloud accounts, variables and passwords."""

_KEY: Final = "^-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY( BLOCK)?-----"
# Those of `leftovers` in nix/lib/source.nix that a service may need; an example is for its developers.
_LEFT_OUT: Final = re.compile(
    r"(.*/)?(node_modules|venv)/.*|(.*/)?[^/]*\.(pem|key)|(.*/)?\.env(\.(?!example|sample|template|dist).*)?"
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
    done = runner(["git", "-C", str(place), "ls-files", "-v", "--stage", "-z"], check=False)
    if done.code:
        return []
    entries = [line.partition("\t") for line in done.stdout.split("\0") if line]
    heads = {path: head.split() for head, _, path in entries}
    left_out, wanted = matcher([*exclude, *_CI]), matcher(include)
    kept = {path: head for path, head in heads.items() if not left_out(path)}
    _refuse_submodules([path for path, head in kept.items() if head[1] == _SUBMODULE])
    large = runner(["git", "-C", str(place), "ls-files", "-z", ":(attr:filter=lfs)"], check=False)
    _refuse_pointers([path for path in large.stdout.split("\0") if path and not left_out(path)])
    named = [path for path in kept if not wanted(path)]
    _refuse_secrets([path for path in named if SECRET.fullmatch(path)])
    conversions.refuse(
        conversions.find_hidden({path: head[0] for path, head in kept.items()}),
        conversions.find_converted(place, {path: head[2] for path, head in kept.items()}, runner=runner),
        show=shorten,
    )
    lost = [path for path, head in kept.items() if head[1] == _LINK and _leads_nowhere(place, path, heads)]
    by_name = [path for path in named if _LEFT_OUT.fullmatch(path) or _is_report(place, path)]
    held = [path for path in named if path not in by_name]
    return [
        *tell("links to what is not in git, and to nothing in the image", lost),
        *tell("not in the image because of its name, unless [tool.estiba] include has it", by_name),
        *tell(IN_IMAGE, _find_data(place, held, runner)),
    ]


def _refuse_submodules(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{shorten(paths)}: a build sees no files of a git submodule"
        raise BuildError(
            msg, hint="require it as a git+https://…@COMMIT package, copy it, or exclude it in [tool.estiba]"
        )


def _refuse_pointers(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{shorten(paths)}: in Git LFS, so git itself has but a pointer, which is what a build may get"
        raise BuildError(msg, hint="git lfs migrate export brings them back to git; or exclude them in [tool.estiba]")


def _refuse_secrets(paths: Sequence[str]) -> None:
    if paths:
        msg = f"{shorten(paths)}: a key or a password, which everybody who has the image could read"
        raise BuildError(msg, hint="git rm --cached it; if it is none, name it in include of [tool.estiba]")


def tell(what: str, paths: Sequence[str]) -> list[str]:
    """Return a sentence about files, none without any."""
    return [f"{what}: {shorten(paths)}"] if paths else []


def shorten(paths: Sequence[str]) -> str:
    """Return the first of some paths and the number of the others."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(sorted(paths)[:_SHOWN])}{more}"


def _find_data(place: Path, paths: Sequence[str], runner: Runner) -> list[str]:
    """Return files that may be there by mistake: by their names, and those with a private key by their text."""
    asked = ["grep", "--cached", "-lzIE", "-e", _KEY]
    found = runner(["git", "-C", str(place), *asked], check=False).stdout.split("\0")
    return [path for path in paths if path in found or DATA.fullmatch(path)]


def _is_report(place: Path, path: str) -> bool:
    """Tell whether a file is where tasks write reports, as in `nix/lib/source.nix`."""
    return path.startswith("reports/") and not (place / "reports" / "__init__.py").exists()


def _leads_nowhere(place: Path, path: str, known: Iterable[str]) -> bool:
    """Tell whether a link leads to nothing that git has; an absolute one leads out of every other folder."""
    link = place / path
    if not link.is_symlink():
        return False
    goal = os.readlink(link)  # noqa: PTH115 - lexically
    target = os.path.normpath(Path(path).parent / goal)
    if Path(goal).is_absolute() or target.startswith(".."):
        return True
    # What is below another link is found by its name there.
    through = any((place / parent).is_symlink() for parent in Path(target).parents)
    return target != "." and not through and not any(one == target or one.startswith(f"{target}/") for one in known)


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return a predicate of paths: `*` and `?` stay within a folder, `**` does not, as in `nix/lib/source.nix`."""
    patterns = [re.compile(_translate(glob)) for glob in globs]
    return lambda path: any(pattern.fullmatch(path) for pattern in patterns)


def _translate(glob: str) -> str:
    head, below = (glob.removesuffix("/**"), "(/.*)?") if glob.endswith("/**") else (glob, "")
    parts = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*|\*|\?)", head)) + below

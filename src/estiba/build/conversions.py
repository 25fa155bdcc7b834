"""Files whose bytes in a build depend on the clone: git converts them, or was told not to look at them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from estiba.process import Runner

_ATTRIBUTES: Final = ("filter", "ident", "working-tree-encoding")
_UNCONVERTED: Final = frozenset({"lfs", "unset", "unspecified"})
"""Values of attributes without a conversion (gitattributes(5)); large files have their own error."""

_ENCRYPTED: Final = b"\0GITCRYPT\0"


def find_hidden(tags: Mapping[str, str]) -> list[str]:
    """Return the files that git is told not to look at, by their tags in `git ls-files -v`.

    A build of a folder with no other change has what is committed, and one of a folder with some has what lies there,
    which in a sparse checkout is nothing.
    """
    return [path for path, tag in tags.items() if tag == "S" or tag.islower()]


def find_converted(place: Path, hashes: Mapping[str, str], *, runner: Runner) -> list[str]:
    """Return the files that a checkout has in another form than git, and those that git-crypt has not decrypted.

    Args:
        place: Folder of the service.
        hashes: Object names of the files in git's index.
        runner: Runs git.
    """
    asked = _join(hashes)
    git = ["git", "-C", str(place)]
    words = runner([*git, "check-attr", "-z", "--stdin", *_ATTRIBUTES], stdin=asked).stdout.split("\0")
    # Path, attribute, value, and so on.
    named = {path for path, value in zip(words[::3], words[2::3], strict=False) if value not in _UNCONVERTED}
    paths = sorted(path for path in named if (place / path).is_file() and not (place / path).is_symlink())
    if not paths:
        return []
    changed = set(runner([*git, "diff-files", "-z", "--name-only", "--relative"]).stdout.split("\0"))
    raw = runner([*git, "hash-object", "--no-filters", "--stdin-paths"], stdin="".join(f"{path}\n" for path in paths))
    pairs = zip(paths, raw.stdout.split(), strict=True)
    return [
        path for path, name in pairs if _is_encrypted(place / path) or (name != hashes[path] and path not in changed)
    ]


def refuse(hidden: Sequence[str], converted: Sequence[str], *, show: Callable[[Sequence[str]], str]) -> None:
    """Raise an error for files whose bytes depend on the clone.

    Args:
        hidden: What `find_hidden` returns.
        converted: What `find_converted` returns.
        show: Makes a list of paths short.

    Raises:
        BuildError: There are some.
    """
    if hidden:
        msg = f"{show(hidden)}: git is told not to look at it, so a build may get what is committed or what lies here"
        raise BuildError(
            msg,
            hint="git update-index --no-assume-unchanged --no-skip-worktree it, git sparse-checkout disable, or"
            " exclude it in [tool.estiba]",
        )
    if converted:
        msg = f"{show(converted)}: a filter of .gitattributes makes it another file here than in git"
        raise BuildError(
            msg,
            hint="take the attribute away and commit the file as it is, or exclude it in [tool.estiba]; a secret"
            " belongs into env-file of a target",
        )


def _is_encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_ENCRYPTED)) == _ENCRYPTED


def _join(paths: Mapping[str, str]) -> str:
    return "".join(f"{path}\0" for path in paths)

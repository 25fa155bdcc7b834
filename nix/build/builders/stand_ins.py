"""Files of a service that stand for others, which git alone does not have: pointers of Git LFS, and encrypted ones.

Which of them a build gets depends on the clone. Estiba's commands look at what git says of them, in
`src/estiba/build/tracked.py`; a plain `nix build` gets here.
"""

import os
import sys
from pathlib import Path

_POINTER = b"version https://git-lfs.github.com/spec/"
_ENCRYPTED = b"\0GITCRYPT\0"
_SHOWN = 5
_REASONS = {
    _POINTER: "in Git LFS, so git itself has but a pointer, which is what a build may get: git lfs migrate export "
    "brings them back to git; or exclude them in [tool.estiba]",
    _ENCRYPTED: "a filter of .gitattributes makes it another file here than in git: take the attribute away and commit "
    "the file as it is, or exclude it in [tool.estiba]; a secret belongs into env-file of a target",
}


def refuse(source: Path) -> None:
    """Stop if there are some among the files of a service.

    Args:
        source: The files.
    """
    if found := find(source):
        sys.exit("\n".join(f"{_shorten(paths)}: {_REASONS[mark]}" for mark, paths in found.items()))


def find(source: Path) -> dict[bytes, list[str]]:
    """Return the paths of such files by how they begin, sorted."""
    found: dict[bytes, list[str]] = {}
    for folder, _, names in os.walk(source):
        for path in (f"{folder}/{name}" for name in names):
            if not os.path.islink(path) and (mark := _read_mark(path)):  # noqa: PTH114 - one for each of thousands
                found.setdefault(mark, []).append(path.removeprefix(f"{source}/"))
    return {mark: sorted(found[mark]) for mark in sorted(found)}


def _read_mark(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the time, for each of thousands
        begin = file.read(len(_POINTER))
    return next((mark for mark in _REASONS if begin.startswith(mark)), b"")


def _shorten(paths: list[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{', '.join(paths[:_SHOWN])}{more}"

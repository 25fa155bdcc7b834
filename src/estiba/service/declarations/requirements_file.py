"""Requirements files of pip: their lines, the files that they include, and what their options say."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from estiba.service.declarations import direct
from estiba.service.declarations.foreign import DEFAULT, FIRST, Index

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.service.declarations.collection import Collection

_COMMENT: Final = re.compile(r"(^|\s)#.*$")
_INCLUDES: Final = ("-r", "--requirement")
_CONSTRAINTS: Final = ("-c", "--constraint")
_EDITABLE: Final = ("-e", "--editable")
_INDEXES: Final = {"-i": DEFAULT, "--index-url": DEFAULT, "--pypi-url": DEFAULT, "--extra-index-url": FIRST}
_JOINED: Final = re.compile(r"^(-[cefir])(?=[^\s-])")
"""A short option with its value right behind it."""

_ADDRESS: Final = re.compile(r"[a-z]+://", re.IGNORECASE)
_IMPLIED: Final = ("--require-hashes", "--prefer-binary")


def read(collection: Collection, name: str) -> list[str]:
    """Return the requirements in a file, in normal form; all else that it says is added to the collection.

    Args:
        collection: What has been read so far.
        name: Path of the file, relative to the folder of the service.
    """
    return _read(collection, name, ())


def _read(collection: Collection, name: str, outer: tuple[Path, ...]) -> list[str]:
    """Read a file and the files that it includes; `outer` are the files that include it."""
    found: list[str] = []
    path = collection.folder / name
    # A file that includes itself, perhaps through others, is read once.
    text = _read_text(path, name, collection.problems) if path.resolve() not in outer else ""
    for number, line in _join_lines(text):
        where = f"{name}:{number}"
        words = _split(line)
        if words[0] in (*_INCLUDES, *_CONSTRAINTS) and len(words) > 1 and _ADDRESS.match(words[1]):
            problem = f"{where}: {words[1]} is a file on another machine: save it beside this one and name that"
            collection.problems.append(direct.hide(problem))
        elif words[0] in (*_INCLUDES, *_CONSTRAINTS) and len(words) > 1:
            is_included = words[0] in _INCLUDES
            # A constraint on the service itself, as `pip freeze` writes it, asks for nothing.
            target, reader = (
                (found, collection) if is_included else (collection.constraints, replace(collection, own=""))
            )
            place = path.parent / words[1]
            within = place.is_relative_to(collection.folder)
            shown = str(place.relative_to(collection.folder) if within else place)
            target.extend(_read(reader, shown, (*outer, path.resolve())))
        elif words[0] in _EDITABLE and len(words) > 1:
            # pip takes the paths in a file as relative to where it is called: the folder of the service.
            found.extend(collection.add([words[1]], where, forced=True))
        elif line.startswith("-"):
            _read_option(collection, words, where)
        else:
            # Hashes are dropped here: the lock gets those of the index.
            found.extend(collection.add([line.split(" --hash")[0].strip()], where))
    return found


def _split(line: str) -> list[str]:
    """Return an option of pip and its value, or a line of another kind as it is."""
    if not line.startswith("-"):
        return [line]
    text = line.replace("=", " ", 1) if line.startswith("--") else _JOINED.sub(r"\1 ", line)
    option, *value = text.split(None, 1)
    if not value or option in _EDITABLE:
        # Quotes may be those of a marker.
        return [option, *value]
    try:
        return [option, *shlex.split(value[0])]
    except ValueError:
        return [option, *value]


def _read_option(collection: Collection, words: list[str], where: str) -> None:
    if len(words) > 2 and any(word.startswith("-") for word in words[2:]):  # noqa: PLR2004 - an option and its value
        collection.problems.append(f"{where}: has several options; write each on a line of its own")
    elif words[0] in _INDEXES and len(words) > 1:
        collection.indexes.append(Index(name=f"{where} {words[0]}", url=words[1], rank=_INDEXES[words[0]]))
    elif words[0] not in _IMPLIED:
        problem = f"{where}: option {words[0]} is not for this file; set it in pip's configuration (pip config)"
        collection.problems.append(problem)


def _read_text(path: Path, name: str, problems: list[str]) -> str:
    """Return the text of a requirements file, empty if it cannot be read."""
    if not path.is_file():
        problems.append(f"{name}: no such file")
        return ""
    try:
        # Editors on Windows write a byte order mark.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        problems.append(f"{name}: is not UTF-8, perhaps UTF-16 from PowerShell; save it again as UTF-8")
        return ""


def _join_lines(text: str) -> list[tuple[int, str]]:
    """Return logical lines with the number of their first line; continuations are joined, comments are removed."""
    lines: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        start = start if pending else number
        line = _COMMENT.sub("", raw).rstrip()
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        if whole := (pending + line).strip():
            lines.append((start, whole))
        pending = ""
    return [*lines, (start, pending.strip())] if pending.strip() else lines

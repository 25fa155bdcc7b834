"""pyproject.toml of an adopted project: what is there, with further tables."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS: Final = "dependency-groups"

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_HEADER: Final = re.compile(r"^[ \t]*\[[ \t]*dependency-groups[ \t]*\][ \t]*(#.*)?$", re.MULTILINE)
_SHORT: Final = 3


def extend(before: str, tables: Mapping[str, Any]) -> str:
    """Return the text of a TOML file with further tables at its end.

    Groups of dependencies go into the table that the file has for them, as its first lines; nothing else of it changes.

    Args:
        before: The text.
        tables: Contents by dotted name, in their order; a list is an array of tables.

    Raises:
        ScaffoldError: The file can take no such tables; the hint has the text to add by hand.
    """
    wanted = {name: table for name, table in tables.items() if table}
    text, groups = before, wanted.get(GROUPS)
    if isinstance(groups, dict) and (header := _HEADER.search(before)):
        added = "".join(f"\n{line}" for line in assign(groups))
        text = before[: header.end()] + added + before[header.end() :]
        del wanted[GROUPS]
    lines: list[str] = []
    for name, table in wanted.items():
        is_array = isinstance(table, list)
        for one in table if is_array else [table]:
            lines += ["", f"[[{name}]]" if is_array else f"[{name}]", *assign(one)]
    gap = "\n" if text and not text.endswith("\n") else ""
    added = "\n".join([*(lines if text else lines[1:]), ""])
    try:
        tomllib.loads(text + gap + added)
    except tomllib.TOMLDecodeError as error:
        msg = f"pyproject.toml takes no table [{next(reversed(wanted))}] at its end"
        raise ScaffoldError(msg, hint=f"add this to it by hand:\n{added}") from error
    return text + gap + added


def assign(table: Mapping[str, Any]) -> list[str]:
    """Return the lines of a table."""
    return [f"{key if _BARE.fullmatch(key) else _write(key)} = {_write(table[key])}" for key in table]


def _write(value: object) -> str:
    """Render a value as TOML: JSON's strings and lists of strings are valid TOML, except for the character DEL."""
    if isinstance(value, dict):
        inner = ", ".join(assign(value))
        return f"{{ {inner} }}"
    if isinstance(value, list) and len(value) > _SHORT:
        inner = "".join(f"    {_write(one)},\n" for one in value)
        return f"[\n{inner}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")

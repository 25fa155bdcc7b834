"""Files of a service that are rendered from its settings: written where they differ, and checked for drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import yaml

from estiba import files
from estiba.errors import DriftError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_MODE: Final = 0o644
_WIDTH: Final = 120


def dump(data: Mapping[str, Any], *, note: str) -> str:
    """Return YAML for people to read: keys in their order, lists in one line where they are short, a note on top.

    Args:
        data: What can be written as JSON, too.
        note: One sentence for the comment on top.
    """
    body = yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH) if data else ""
    return f"# {note}\n{body}"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # PyYAML ships no types
    """Dumper that writes lists of words in one line, indents those of tables, and repeats instead of linking."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - PyYAML's
        """Indent lists below their key."""
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's
        """Write what occurs twice twice."""
        return True


def _represent_list(dumper: _Dumper, data: list[Any]) -> Any:  # noqa: ANN401 - PyYAML ships no types
    is_short = all(isinstance(one, str | int) for one in data) and len(", ".join(map(str, data))) < _WIDTH // 2
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=is_short)


def _represent_null(dumper: _Dumper, _: None) -> Any:  # noqa: ANN401 - as above
    return dumper.represent_scalar("tag:yaml.org,2002:null", "null")


_Dumper.add_representer(list, _represent_list)
_Dumper.add_representer(type(None), _represent_null)


def write(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Write files that are not what they should be, each of them as a whole, and return their names.

    Args:
        folder: Folder of the service.
        texts: Content of each file by its path relative to the folder.
    """
    changed = find_drift(folder, texts)
    for name in changed:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, texts[name], mode=_MODE)
    return changed


def find_drift(folder: Path, texts: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the files that are missing or are not what they should be."""
    return tuple(name for name, text in texts.items() if _read(folder / name) != text)


def check(folder: Path, texts: Mapping[str, str], command: str) -> None:
    """Compare files with what they should be; arguments as for `write`.

    Args:
        folder: Folder of the service.
        texts: Content of each file by its path relative to the folder.
        command: Command that writes them.

    Raises:
        DriftError: Files are missing or differ; the message names all of them.
    """
    drifted = find_drift(folder, texts)
    if drifted:
        msg = f"not what pyproject.toml says: {', '.join(drifted)}"
        raise DriftError(msg, hint=command)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""

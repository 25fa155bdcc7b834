"""Log of `nix copy --log-format internal-json`: copied store paths, and errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from estiba.nix.log import BuildLog

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX: Final = "@nix "
_COPY_PATH: Final = 100
# Nix logs progress every few kilobytes; decoding all of it would take longer than the copy.
_PROGRESS: Final = '"type":105}'


class CopyLog:
    """Parser of the log that calls back with each store path whose copy has ended."""

    def __init__(self, on_path: Callable[[str], None]) -> None:
        self._on_path = on_path
        self._running: dict[int, str] = {}
        self._log = BuildLog()

    def __call__(self, line: str) -> None:
        """Process one line; lines that are not JSON messages, and other messages, are ignored."""
        if line.endswith(_PROGRESS) or not line.startswith(_PREFIX):
            return
        self._log.feed(line)
        try:
            record = json.loads(line.removeprefix(_PREFIX))
        except ValueError:
            return
        match record:
            case {"action": "start", "type": int(kind), "id": int(number), "fields": [str(path), *_]} if (
                kind == _COPY_PATH
            ):
                self._running[number] = path
            case {"action": "stop", "id": int(number)} if number in self._running:
                self._on_path(self._running.pop(number))
            case _:
                pass

    def failure(self) -> str:
        """Return the distinct error messages of Nix."""
        return "\n".join(dict.fromkeys(error.removeprefix("error: ").strip() for error in self._log.errors))

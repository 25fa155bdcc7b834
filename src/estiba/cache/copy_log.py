"""What `nix copy --log-format internal-json` says: which paths have arrived, and its errors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from estiba.nix.log import BuildLog

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX: Final = "@nix "
_COPY_PATH: Final = 100
# Nix tells of every few kilobytes; reading all of that would cost more time than the copying.
_PROGRESS: Final = '"type":105}'


class CopyLog:
    """Takes the lines of a copy, and calls back with every path that has arrived."""

    def __init__(self, on_path: Callable[[str], None]) -> None:
        self._on_path = on_path
        self._running: dict[int, str] = {}
        self._log = BuildLog()

    def __call__(self, line: str) -> None:
        """Take one line; lines of no interest and broken ones are passed over."""
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
        """Return Nix's own error messages, each once."""
        return "\n".join(dict.fromkeys(error.removeprefix("error: ").strip() for error in self._log.errors))

"""Progress of migrations while they are applied, as the log of `manage.py migrate` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.deploy import log_lines

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN: Final = 8
"""Number of names in a line."""


@dataclass(slots=True, kw_only=True)
class MigrationProgress:
    """Watch over one log, which is read from time to time.

    Attributes:
        on_status: Callback for progress; called with the names of the migrations that were begun since the last time,
            and with the same line again while the last of them goes on, as not every line of progress is shown.
    """

    on_status: Callable[[str], None]
    _known: int = 0
    _line: str = ""

    def read(self, output: str) -> None:
        """Report what is new in the log.

        Args:
            output: All of it so far.
        """
        begun = log_lines.find_begun(output)
        if new := begun[self._known :]:
            # Of very many, as those of a first release, the last one is what takes the time.
            listed = new if len(new) <= _SHOWN else (f"{len(new) - 1} migrations", new[-1])
            self._line = f"applying {', '.join(listed)}"
        if new or (begun and begun[-1] not in log_lines.find_applied(output)):
            self.on_status(self._line)
        self._known = len(begun)

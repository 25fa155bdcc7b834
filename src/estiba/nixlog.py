"""Nix's machine-readable log: lines of `--log-format internal-json`, as events (Nix source, `logging.hh`)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

_PREFIX: Final = "@nix "
_BUILD: Final = 105
_LOG_LINE: Final = 101
_ERROR: Final = 0
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_DERIVATION: Final = re.compile(r"/nix/store/[0-9a-z]{32}-(.*)\.drv")
_PLANNED: Final = re.compile(r"th(?:is derivation|ese \d+ derivations) will be built:")


@dataclass(slots=True)
class BuildLog:
    """What a build has said so far; `feed` it every line.

    Attributes:
        planned: How many derivations will be built.
        finished: How many have been.
        running: Names of those being built, by the activity's number.
        lines: The last lines that each derivation printed, by name.
        errors: Nix's own error messages.
    """

    planned: int = 0
    finished: int = 0
    running: dict[int, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _counting: bool = False

    def feed(self, line: str) -> None:
        """Take one line of the log; lines of no interest and broken ones are passed over."""
        if not line.startswith(_PREFIX):
            return
        try:
            record = json.loads(line.removeprefix(_PREFIX))
        except ValueError:
            return
        match record:
            case {"action": "msg", "level": int(level), "msg": str(text)}:
                self._message(level, _COLOURS.sub("", text))
            case {"action": "start", "type": int(kind), "id": int(number), "fields": [str(derivation), *_]} if (
                kind == _BUILD
            ):
                self.running[number] = derivation_name(derivation)
            case {"action": "stop", "id": int(number)} if number in self.running:
                del self.running[number]
                self.finished += 1
            case {"action": "result", "type": int(kind), "id": int(number), "fields": [str(text), *_]} if (
                kind == _LOG_LINE and number in self.running
            ):
                self.lines.setdefault(self.running[number], []).append(_COLOURS.sub("", text))
            case _:
                pass

    @property
    def status(self) -> str:
        """One line that says how far the build is."""
        return f"{self.finished} of {self.planned}: {', '.join(sorted(set(self.running.values())))}"

    def failure(self, limit: int = 25) -> str:
        """Return the errors, without Nix's own copies of the failed build's last lines, and those lines once."""
        heads = [error.split("\n")[0].removeprefix("error: ") for error in self.errors]
        own = [head for head in heads if "dependencies of derivation" not in head] or heads
        failed = [name for head in own for name in _DERIVATION.findall(head.split("' ")[0])]
        tail = [line for name in dict.fromkeys(failed) for line in self.lines.get(name, [])[-limit:]]
        detail = [] if tail else [line for error in self.errors for line in error.split("\n")[1:]][-limit:]
        return "\n".join(dict.fromkeys([*own])) + "".join(f"\n  | {line}" for line in [*tail, *detail])

    def _message(self, level: int, text: str) -> None:
        if level == _ERROR:
            self.errors.append(text)
        elif _PLANNED.match(text):
            self._counting = True
        elif self._counting and text.startswith("  /nix/store/") and text.endswith(".drv"):
            self.planned += 1
        else:
            self._counting = False


def derivation_name(path: str) -> str:
    """Return the name in a derivation's store path."""
    found = _DERIVATION.search(path)
    return found[1] if found else path


def failed_derivation(text: str) -> str:
    """Return the first derivation that an error names, or an empty string."""
    found: Any = _DERIVATION.search(text)
    return found[0] if found else ""

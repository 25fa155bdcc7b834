"""Log messages of Nix in the format of `--log-format internal-json`.

The numbers of activity types, result types and levels are those of Nix's source, `logging.hh` and `error.hh`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

_PREFIX: Final = "@nix "
_BUILD: Final = 105
_SUBSTITUTE: Final = 108
_LOG_LINE: Final = 101
_ERROR: Final = 0
_WARNING: Final = 1
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_DERIVATION: Final = re.compile(r"/nix/store/[0-9a-z]{32}-(.*?)\.drv")
_FOLLOWING: Final = re.compile(r"dependencies of derivation|Reason: \d+ dependenc(?:y|ies) failed")
_REPEATED: Final = re.compile(r"\n *(?:last \d+ log lines:|Output paths:|For full logs)")
_PLANNED: Final = re.compile(r"th(?:is derivation|ese \d+ derivations) will be built:")


@dataclass(slots=True)
class BuildLog:
    """State of a build according to its log; call `feed` with each line.

    Attributes:
        wanted: Names of the derivations to build.
        finished: Number of derivations whose build has ended.
        running: Names of the derivations being built, by activity ID.
        lines: Lines that each build printed, by derivation name.
        errors: Error messages of Nix.
        warnings: Warnings of Nix.
        substituted: URL of the substituter of each substituted store path, whether or not the substitution succeeded.
    """

    wanted: list[str] = field(default_factory=list)
    finished: int = 0
    running: dict[int, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    substituted: dict[str, str] = field(default_factory=dict)
    _listing: bool = False

    def feed(self, line: str) -> None:
        """Process one line of the log; lines that are not JSON messages, and other messages, are ignored."""
        if not line.startswith(_PREFIX):
            return
        try:
            record = json.loads(line.removeprefix(_PREFIX))
        except ValueError:
            return
        match record:
            case {"action": "msg", "level": int(level), "msg": str(text)}:
                self._message(level, _COLOURS.sub("", text), record)
            case {"action": "start", "type": int(kind), "fields": [str(path), str(cache)]} if kind == _SUBSTITUTE:
                self.substituted[path] = cache
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
        """Progress of the build in one line."""
        return f"{self.finished} of {len(self.wanted)}: {', '.join(sorted(set(self.running.values())))}"

    def failure(self, limit: int = 25) -> str:
        """Return the distinct error messages, and the last lines that the failed builds printed.

        Errors that only say that a dependency failed are left out.

        Args:
            limit: Maximum number of lines of each failed build.
        """
        own = [error for error in self.errors if not _FOLLOWING.search(error)] or self.errors
        failed = [name for error in own for name in _DERIVATION.findall(error)]
        tail = [line for name in dict.fromkeys(failed) for line in self.lines.get(name, [])[-limit:]]
        return "\n".join([*dict.fromkeys(own), *(f"  | {line}" for line in tail)])

    def _message(self, level: int, text: str, record: dict[str, Any]) -> None:
        if level == _ERROR:
            # `msg` repeats the last lines of the build and the trace; `raw_msg` is the error alone.
            raw = _COLOURS.sub("", record["raw_msg"]) if "raw_msg" in record else text
            self.errors.append(_error(raw, record.get("file")))
            return
        if level == _WARNING:
            self.warnings.append(text.removeprefix("warning: "))
        self._plan(text)

    def _plan(self, text: str) -> None:
        """Record the derivations that Nix lists before it starts to build."""
        if _PLANNED.match(text):
            self._listing = True
        elif self._listing and text.startswith("  /nix/store/") and text.endswith(".drv"):
            self.wanted.append(derivation_name(text.strip()))
        else:
            self._listing = False


def derivation_name(path: str) -> str:
    """Return the name part of a derivation's store path, without `.drv`."""
    found = _DERIVATION.search(path)
    return found[1] if found else path


def failed_derivation(text: str) -> str:
    """Return the store path of the first derivation in an error message, or an empty string."""
    found: Any = _DERIVATION.search(text)
    return found[0] if found else ""


def _error(text: str, place: str | None) -> str:
    """Return an error message without repeated log lines, and with the file that it is about."""
    # A daemon repeats the last lines of the build; Nix 2.30 and newer list the outputs that were not built.
    text = _REPEATED.split(text)[0].removeprefix("error: ").rstrip("; \n")
    return f"{text}, at {place}" if place else text

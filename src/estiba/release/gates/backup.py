"""Gate on the age of the newest backup."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from estiba.errors import GateError
from estiba.release.gates.commands import run_limited
from estiba.release.gates.gate import number, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.release.gates.gate import Context, Key

KEYS: Final[Mapping[str, Key]] = {
    "command": texts(is_required=True),
    "hours": number("hours", 0.01, 87_840),
    "limit": number("seconds", 1),
    "targets": texts(),
}

_GATE: Final = "backup"
_HOURS: Final = 24
_LIMIT: Final = 120
_SKEW: Final = timedelta(minutes=10)
"""Difference between two clocks that is taken for one."""
_TARGET: Final = "{target}"


def check(context: Context) -> dict[str, Any]:
    """Require that the newest backup is not older than the settings allow; evidence: its time and age.

    The command prints the time in RFC 3339, or what `pgbackrest info --output=json` or `restic snapshots --json` print.
    """
    options = context.options(_GATE)
    if context.name not in options.get("targets", [context.name]):
        return {"needed": False}
    newest = find_newest(context)
    hours, age = options.get("hours", _HOURS), context.now - newest
    shown = f"{age.total_seconds() / 3600:.1f}"
    if age > timedelta(hours=hours):
        msg = f"the newest backup for {context.name} is {shown} h old ({newest.isoformat()}), and may be {hours} h old"
        raise GateError(_GATE, msg, hint="make a backup, then run the release again")
    if age < -_SKEW:
        msg = f"the newest backup for {context.name} is of the future: {newest.isoformat()}"
        raise GateError(_GATE, msg, hint="compare the clocks of this machine and of the backup's")
    return {"age-hours": round(age.total_seconds() / 3600, 1), "time": newest.isoformat()}


def find_newest(context: Context) -> datetime:
    """Return the end of the newest backup for the target.

    Raises:
        GateError: The command failed, or prints no time.
    """
    options = context.options(_GATE)
    argv = [word.replace(_TARGET, context.name) for word in options["command"]]
    done = run_limited(context, _GATE, argv, options.get("limit", _LIMIT))
    if done.code:
        msg = f"{' '.join(argv)} exited with {done.code}\n{done.tail}"
        raise GateError(_GATE, msg)
    return parse(done.stdout)


def parse(output: str) -> datetime:
    """Return the time of the newest backup in the output of a command.

    Raises:
        GateError: It is neither a time in RFC 3339 nor the JSON of pgBackRest or restic, or has no whole backup.
    """
    try:
        times = list(_read(output))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        msg = f"the command prints no time of a backup: {output.strip()[:200]!r}"
        hint = "it has to print a time such as 2026-01-31T04:00:00Z, or the JSON of pgbackrest info or restic snapshots"
        raise GateError(_GATE, msg, hint=hint) from error
    if not times:
        msg = "there is no whole backup yet"
        raise GateError(_GATE, msg, hint="make one, then run the release again")
    return max(times)


def _read(output: str) -> Iterator[datetime]:
    if not output.lstrip().startswith(("[", "{", '"')):
        yield _parse_time(output.strip())
        return
    data = json.loads(output)
    for entry in data if isinstance(data, list) else [data]:
        if isinstance(entry, str):
            yield _parse_time(entry)
        elif "backup" in entry:
            yield from _read_stanza(entry)
        else:
            # restic(1), "snapshots": a snapshot exists only once it is whole. Any other JSON with `time` is welcome.
            yield _parse_time(entry["time"])


def _read_stanza(stanza: Mapping[str, Any]) -> Iterator[datetime]:
    """Yield the ends of the backups of a stanza (pgBackRest command reference, "info"): seconds since 1970.

    Backups with `error` have pages with wrong checksums.
    """
    for backup in stanza["backup"]:
        if not backup.get("error"):
            yield datetime.fromtimestamp(backup["timestamp"]["stop"], UTC)


def _parse_time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        msg = f"{text!r} has no time zone"
        raise ValueError(msg)
    return found

"""Observation of a release: requests in nginx's log, exceptions in those of its processes, ends that runit noted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from estiba.deploy import log_lines
from estiba.deploy.host.supervise import logs
from estiba.deploy.host.supervise.runit import LOG_FILES
from estiba.deploy.target import Observation
from estiba.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from estiba.deploy.host.supervise.runit import Runit

_STARTER: Final = "start.py"
"""Program beside the one that a service's `finish` is a link to."""

_PROXY: Final = "nginx"
_ENDS: Final = "ends.json"
"""Ends of a service's process, written by `note_end` of nix/build/builders/release/start.py at the first of them."""


def observe(runit: Runit, services: Sequence[str], since: datetime) -> Observation:
    """Return how the processes of a release have behaved since a time.

    Args:
        runit: Supervisor of the target.
        services: Names of the services of the release.
        since: Start of the period, with a time zone.

    Raises:
        TargetError: The logs do not go back to that time, or nginx does not run.
    """
    folder = runit.folder.path / "logs"
    stamp = since.astimezone(UTC).strftime("%Y-%m-%d_%H:%M:%S.%f")
    _check_period(runit, folder / _PROXY, since, stamp)
    lines = logs.since(folder / _PROXY, stamp)
    statuses = [status for line in lines if (status := log_lines.find_status(line))]
    found: Counter[str] = Counter()
    for service in services:
        found.update(log_lines.find_exceptions(logs.since(folder / service, stamp)))
    return Observation(
        requests=len(statuses),
        failures=sum(status >= log_lines.FAILURE for status in statuses),
        restarts=sum(_count_restarts(runit, service, since.timestamp()) for service in services),
        exceptions=dict(found.most_common()),
    )


def _check_period(runit: Runit, log: Path, since: datetime, stamp: str) -> None:
    first = logs.first(log)
    hint = "invoke status tells whether it is served; invoke deploy starts what does not run"
    if since > datetime.now(tz=UTC):
        msg = f"{since.isoformat()} is in the future, so there is no data since then"
        raise TargetError(msg, hint="name an earlier time")
    # svlogd deletes the oldest file when it has as many as it may keep.
    if len(list(log.glob("@*"))) >= LOG_FILES - 1 and first > stamp:
        msg = f"the log of nginx begins at {first}, so there is no data about all that time since {since.isoformat()}"
        raise TargetError(msg, hint="observe a shorter period")
    if not runit.is_up(_PROXY) or not (log / "current").exists():
        msg = f"nginx does not run, so there is no data since {since.isoformat()}"
        raise TargetError(msg, hint=hint)


def _count_restarts(runit: Runit, service: str, since: float) -> int:
    """Return the number of times that a process ended although it was wanted."""
    directory = runit.services / service
    if not (directory / _ENDS).exists() and not _notes_ends(directory):
        msg = f"the release that is served does not note the ends of {service}, so nobody knows of restarts"
        raise TargetError(msg, hint="invoke deploy of a release that this Estiba builds, which does")
    return sum(1 for end in _read_ends(runit, service) if end >= since)


def _notes_ends(directory: Path) -> bool:
    """Tell whether the starter of a service writes its ends down; that of an earlier Estiba does not."""
    try:
        return _ENDS in (directory / "finish").resolve().with_name(_STARTER).read_text(encoding="utf-8")
    except OSError:
        return False


def _read_ends(runit: Runit, service: str) -> Iterator[float]:
    known = runit.folder.read_state(runit.services / service / _ENDS).get("ends")
    for one in known if isinstance(known, list) else ():
        if isinstance(one, dict) and one.get("wanted") and isinstance(one.get("time"), int | float):
            yield float(one["time"])

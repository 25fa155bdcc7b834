"""State of a service, as runsv(8) writes it to `supervise/status`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SIZE: Final = 20
"""Size of the file in bytes; one that is written just now may be shorter."""

_TAI: Final = 4611686018427387914
"""Offset of a TAI64 label to Unix time in seconds: 2**62 and the ten seconds that TAI was ahead in 1970."""

_STATES: Final = ("down", "up", "finishing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """State of a service, as runsv reports it.

    Attributes:
        state: `up`, `down`, or `finishing` while its finish script runs.
        is_wanted: Whether the supervisor restarts it when it ends.
        pid: Process ID; 0 where it is down.
        since: Time of the last change of state, in seconds since the epoch.
    """

    state: str
    is_wanted: bool
    pid: int
    since: float

    @classmethod
    def parse(cls, data: bytes) -> Status:
        """Parse `supervise/status`: 12 bytes TAI64N, 4 bytes process ID, 4 bytes flags (`svstatus` in runit's sv.c)."""
        return cls(
            state=_STATES[data[19]],
            is_wanted=data[17:18] == b"u",
            pid=int.from_bytes(data[12:16], "little"),
            since=int.from_bytes(data[:8], "big") - _TAI + int.from_bytes(data[8:12], "big") / 1e9,
        )

"""Verdict about a release that is served, from a watch or a review."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from estiba.deploy.target import Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Verdict about a release.

    Attributes:
        is_healthy: Whether nothing speaks against it.
        reasons: What speaks against it.
        until: Until when it was looked at.
        notes: What else there is to know, such as that there was nothing to compare with.
        observation: What was seen last, of a watch.
        counts: What was counted, of a review.
    """

    is_healthy: bool
    reasons: tuple[str, ...]
    until: datetime
    notes: tuple[str, ...] = ()
    observation: Observation | None = None
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """The verdict in a word, as the logbook has it."""
        return "healthy" if self.is_healthy else "unhealthy"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "counts": dict(self.counts),
            "healthy": self.is_healthy,
            "notes": list(self.notes),
            "observation": asdict(self.observation) if self.observation else {},
            "reasons": list(self.reasons),
            "until": self.until.isoformat(timespec="seconds"),
        }

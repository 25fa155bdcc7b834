"""Event that people are told about, and the forms that it takes: JSON, Slack, Microsoft Teams, mail."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.redaction import redact_mapping, redact_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EVENTS: Final = ("start", "approval", "failure", "rollback", "rolled-back", "end", "watch", "review")
"""Names of events: a release starts, waits for an approval, fails, begins to roll back, has rolled back, has ended."""

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Event of a release.

    Attributes:
        name: One of `EVENTS`.
        service: Name of the service.
        text: What happened, one sentence.
        version: Version of the release.
        target: Name of the target.
        details: Further facts, such as `minutes` or `reason`.
    """

    name: str
    service: str
    text: str
    version: str = ""
    target: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    def redact(self, values: Collection[str]) -> Event:
        """Return the event without secrets; see `redact_text`."""
        details = redact_mapping(self.details, values)
        return replace(self, text=redact_text(self.text, values), details=details)

    @property
    def subject(self) -> str:
        """The event in a line, such as `shop 1.2.0 on production: rolled-back`."""
        where = f" on {self.target}" if self.target else ""
        return " ".join(f"{self.service} {self.version}".split()) + f"{where}: {self.name}"

    def to_json(self) -> dict[str, Any]:
        """Return the event as a JSON object with its fields."""
        return {**asdict(self), "details": dict(self.details)}

    def to_slack(self) -> dict[str, Any]:
        """Return the body of an incoming webhook of Slack ("Formatting text for app surfaces")."""
        lines = [f"*{self.subject.translate(_ESCAPES)}*", self.text.translate(_ESCAPES)]
        return {"text": "\n".join([*lines, *(f"{line}".translate(_ESCAPES) for line in self._facts())])}

    def to_teams(self) -> dict[str, Any]:
        """Return the body of a Teams workflow's webhook: an Adaptive Card 1.4."""
        blocks: list[dict[str, Any]] = [
            {"type": "TextBlock", "text": self.subject, "weight": "Bolder", "wrap": True},
            {"type": "TextBlock", "text": self.text, "wrap": True},
        ]
        if self.details:
            facts = [{"title": name, "value": str(value)} for name, value in self.details.items()]
            blocks.append({"type": "FactSet", "facts": facts})
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": blocks,
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        return {"type": "message", "attachments": [attachment]}

    def to_text(self) -> str:
        """Return the text of a mail."""
        return "\n".join([self.text, "", *self._facts()]).strip() + "\n"

    def _facts(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.details.items()]

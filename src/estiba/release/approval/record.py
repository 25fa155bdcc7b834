"""An approval as it lies in the repository: one JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT: Final = 1
_SIGNED: Final = ("comment", "plan", "principal", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Approval of a plan for a target.

    Attributes:
        target: Name of the target.
        plan: Digest of the plan, as `invoke release.plan` prints it for the target.
        principal: Who approves, a principal of `allowed_signers` (ssh-keygen(1)).
        at: Time of the signature, in UTC.
        comment: Remark.
        signature: Signature of `payload` in the armoured form of `ssh-keygen -Y sign`; empty before it is signed.
    """

    target: str
    plan: Digest
    principal: str
    at: datetime
    comment: str = ""
    signature: str = ""

    @property
    def payload(self) -> str:
        """The text that is signed: all fields but the signature, as JSON with sorted keys and without spaces."""
        plain = {name: value for name, value in self.to_dict().items() if name != "signature"}
        return json.dumps(plain, sort_keys=True, separators=(",", ":"))

    @property
    def name(self) -> str:
        """Name of the record's file: the plan, and a digest of the record, so that two records never collide."""
        return f"{self.plan.hex}-{Digest.of_bytes(self.render().encode()).hex[:16]}.json"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        texts = {name: str(getattr(self, name)) for name in (*_SIGNED, "signature")}
        return {**texts, "at": self.at.isoformat(), "format": FORMAT}

    def render(self) -> str:
        """Return the content of the record's file."""
        return json.dumps(self.to_dict(), sort_keys=True, indent=1) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Approval:
        """Parse the JSON form.

        Raises:
            ValueError: It has another format version, or lacks a field, or has one of another type.
        """
        try:
            if data["format"] != FORMAT:
                msg = f"is of format {data['format']!r}, and this Estiba reads {FORMAT}"
                raise ValueError(msg)
            at = datetime.fromisoformat(data["at"])
            texts = {name: data[name] for name in ("comment", "principal", "signature", "target")}
            if at.utcoffset() != timedelta(0) or not all(isinstance(text, str) for text in texts.values()):
                msg = "has a time that is not in UTC, or a field that is no text"
                raise ValueError(msg)
            # What a terminal would obey, and half of a surrogate pair, which cannot be written.
            if not all(texts[name].isprintable() for name in ("comment", "principal", "target")):
                msg = "has a text with control characters"
                raise ValueError(msg)
            if not texts["signature"].isascii():
                msg = "has a signature that is none of ssh-keygen's"
                raise ValueError(msg)
            return cls(plan=Digest.parse(data["plan"]), at=at, **texts)
        except (AttributeError, KeyError, TypeError) as error:
            msg = f"has no usable field {error}"
            raise ValueError(msg) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """File among the approvals that is none.

    Attributes:
        name: Name of the file.
        problem: What is wrong with it.
    """

    name: str
    problem: str


def parse(name: str, text: str) -> Approval | Damaged:
    """Parse the content of a record's file."""
    try:
        data = json.loads(text)
        return Approval.from_dict(data if isinstance(data, dict) else {})
    except (ValueError, RecursionError) as error:
        return Damaged(name=name, problem=str(error))

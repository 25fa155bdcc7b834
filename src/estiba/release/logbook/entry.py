"""Entry of the logbook: who did what to which target, when, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS: Final = ("approvals", "migrations", "records")
_MAPPINGS: Final = ("counts", "gates")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Entry of the logbook.

    Attributes:
        number: Position in the logbook, from 1.
        before: Hash of the entry before, `sha256:…`; empty for the first.
        hash: Hash of this entry, over all other fields.
        at: Time of writing in UTC, RFC 3339.
        service: Name of the service.
        command: What was done: `deploy`, `rollback`, `skip`, `approve`, `watch`, `review`, `notify`, or another word.
        actor: Who did it: the user of the CI system, or the identity that git has.
        target: Name of the target, or an empty string.
        tag: Tag of the release.
        version: Version of the service.
        commit: Commit that the release was built from.
        digest: Digest of the image, or of the release's content for the kind of target.
        lock: Digest of the lock file.
        plan: Hash of the plan.
        result: Outcome, such as `deployed`, `rolled back`, `refused` or `healthy`.
        reason: Reason of the result, or of the action.
        started: Start time in UTC, RFC 3339, or an empty string.
        seconds: Duration in seconds.
        migrations: Migrations that were applied or taken back, as `app.name`.
        records: Hashes of the target's own records, see `Target.chain`, that no entry has named before.
        approvals: Approvals, each a JSON object.
        gates: Evidence of the gates by name.
        counts: Counts that the service names, see `estiba.release.review`.
    """

    number: int
    before: str
    hash: str
    at: str
    service: str
    command: str
    actor: str
    target: str = ""
    tag: str = ""
    version: str = ""
    commit: str = ""
    digest: str = ""
    lock: str = ""
    plan: str = ""
    result: str = ""
    reason: str = ""
    started: str = ""
    seconds: float = 0.0
    migrations: tuple[str, ...] = ()
    records: tuple[str, ...] = ()
    approvals: tuple[Mapping[str, Any], ...] = ()
    gates: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Entry:
        """Parse an entry; fields that a newer Estiba has added are left out.

        Raises:
            TypeError: It lacks a field.
        """
        known = {one.name: data[one.name] for one in fields(cls) if one.name in data}
        return cls(**{**known, **{name: tuple(data.get(name, ())) for name in _LISTS}})

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, without fields that have their default."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        plain |= {name: list(plain[name]) for name in _LISTS} | {name: dict(plain[name]) for name in _MAPPINGS}
        return {name: value for name, value in plain.items() if value or name in _REQUIRED}


_REQUIRED: Final = frozenset({"number", "before", "hash", "at", "service", "command", "actor"})

FIELDS: Final = frozenset(one.name for one in fields(Entry)) - {"number", "before", "hash", "at"}
"""Names of the fields that whoever appends an entry may set."""

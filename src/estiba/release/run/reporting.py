"""Reports of a release to the logbook; what cannot be reported is a warning, and never fails the release."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.errors import EstibaError, RolledBackError
from estiba.release.journal import DONE
from estiba.release.run.steps import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.release.journal import Entry, Journal
    from estiba.release.logbook import Logbook
    from estiba.release.run.actions import Actions
    from estiba.release.run.steps import Step

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Listener of a release, see `estiba.release.run.execution.Listener`.

    Attributes:
        logbook: Logbook of the service.
    """

    logbook: Logbook

    def begin(self, journal: Journal) -> None:
        """Hear that a release has begun, or goes on."""

    def end(self, journal: Journal, error: BaseException | None) -> None:
        """Hear that a release has ended, or stopped with an error."""

    def step(self, journal: Journal, step: Step, entry: Entry, actions: Actions) -> None:
        """Add entries for what was done to a target, and for each gate that was not asked."""
        common = {
            "commit": journal.plan.commit,
            "lock": journal.plan.lock,
            "plan": str(journal.plan.hash),
            "tag": journal.plan.tag,
            "target": step.target,
            "version": journal.plan.version,
        }
        for name, reason in _skipped(entry, step):
            self._add(command="skip", result="skipped", reason=f"{name}: {reason}", **common)
        if step.kind is Kind.DEPLOY or (step.kind is Kind.SMOKE and entry.result != DONE):
            gates = actions.manifest.gates
            approved = journal.last(f"{Kind.APPROVAL.value}:{step.target}")
            self._add(gates=dict(gates), approvals=_approvals(approved), **common, **_describe(step, entry))

    def _add(self, **fields: Any) -> None:  # noqa: ANN401 - fields of an entry
        try:
            self.logbook.append(**fields)
        except (EstibaError, OSError) as error:
            _log.warning("the logbook lacks an entry: %s", error)


def _describe(step: Step, entry: Entry) -> dict[str, Any]:
    """Return the fields of the logbook's entry about what a step did."""
    record: Mapping[str, Any] = entry.output.get("record", {})
    is_back = entry.code == RolledBackError.exit_code
    return {
        "command": "deploy" if step.kind is Kind.DEPLOY else "rollback" if is_back else "smoke",
        "digest": str(record.get("digest", "")),
        "migrations": tuple(record.get("migrations", ())),
        "reason": entry.reason,
        "result": str(record.get("result") or ("rolled back" if is_back else entry.result)),
        "seconds": round(entry.seconds, 1),
        "started": entry.started,
    }


def _skipped(entry: Entry, step: Step) -> list[tuple[str, str]]:
    """Return the gates that were not asked in a step, with the reasons."""
    found = []
    for name, evidence in entry.output.get("gates", {}).items() if step.kind is Kind.GATES else ():
        about = evidence.get(step.target, {}) if step.target else evidence
        if "skipped" in about:
            found.append((name, str(about["skipped"])))
    return found


def _approvals(entry: Entry | None) -> tuple[dict[str, Any], ...]:
    approved = entry.output.get("approved", ()) if entry else ()
    return tuple({"principal": principal} for principal in approved)

"""Reports of a release to the logbook and to people; one that fails is a warning, and never fails the release."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from estiba.errors import ApprovalError, EstibaError, RolledBackError
from estiba.release import logbook, notify, review
from estiba.release.journal import DONE
from estiba.release.logbook import comparison
from estiba.release.notify import Event
from estiba.release.run.steps import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from estiba.release.journal import Entry, Journal
    from estiba.release.logbook import Logbook
    from estiba.release.run.actions import Actions
    from estiba.release.run.steps import Step
    from estiba.release.run.workspace import Workspace

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reporter:
    """Listener of a release, see `estiba.release.run.execution.Listener`.

    Attributes:
        workspace: Service of the release.
        logbook: Logbook of the service.
    """

    workspace: Workspace
    logbook: Logbook

    @classmethod
    def load(cls, workspace: Workspace) -> Reporter:
        """Return the reporter of a service.

        Raises:
            ConfigError: Settings of the logbook are invalid.
        """
        table, service = workspace.settings.logbook, workspace.project.name
        book = logbook.load(workspace.folder, table, workspace.config, service=service, runner=workspace.runner)
        return cls(workspace=workspace, logbook=book)

    def begin(self, journal: Journal) -> None:
        """Tell people that a release has begun, or goes on."""
        targets = ", ".join(one.name for one in journal.plan.targets)
        verb = "goes on" if journal.entries else "begins"
        self.notify("start", f"the release {verb}, to {targets}", version=journal.plan.version)

    def end(self, journal: Journal, error: BaseException | None) -> None:
        """Tell people that a release has ended, or stopped with an error, and which command goes on."""
        hint = getattr(error, "hint", "")
        name, text = _judge(error)
        details = {"id": journal.identifier, **({"next": hint} if hint else {})}
        target = journal.entries[-1].step.partition(":")[2] if journal.entries else ""
        self.notify(name, text, version=journal.plan.version, target=target, details=details)

    def notify(self, name: str, text: str, **fields: Any) -> None:  # noqa: ANN401 - fields of an event
        """Send an event."""
        event = Event(name=name, service=self.workspace.project.name, text=text, **fields)
        for problem in notify.send(self.workspace.settings.notify, event, self.workspace.config):
            _log.warning("not everybody was told: %s", problem)

    def add(self, **fields: Any) -> None:  # noqa: ANN401 - fields of an entry
        """Add an entry to the logbook."""
        try:
            self.logbook.append(**fields, records=self._find_unnamed(str(fields.get("target", ""))))
        except (EstibaError, OSError) as error:
            _log.warning("the logbook lacks an entry: %s", error)

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
            self.add(command="skip", result="skipped", reason=f"{name}: {reason}", **common)
        if step.kind is Kind.DEPLOY or (step.kind is Kind.SMOKE and entry.result != DONE):
            gates = actions.manifest.gates
            approved = journal.last(f"{Kind.APPROVAL.value}:{step.target}")
            about = {**common, **_describe(step, entry)}
            counts = self._count(step, entry)
            self.add(gates=dict(gates), approvals=_approvals(approved), counts=counts, **about)

    def _find_unnamed(self, name: str) -> tuple[str, ...]:
        """Return the hashes of a target's own records that the next entry names."""
        target = self.workspace.targets.get(name)
        try:
            lines = target.chain() if target else None
            return comparison.find_unnamed(self.logbook.entries(), lines, name) if lines else ()
        except EstibaError as error:
            _log.warning("the logbook names no record of %s: %s", name, error.message)
            return ()

    def _count(self, step: Step, entry: Entry) -> dict[str, int]:
        """Return the counts that a review compares later, where a deployment was made."""
        if step.kind is not Kind.DEPLOY or entry.result != DONE:
            return {}
        try:
            return review.count(self.workspace.targets[step.target], self.workspace.settings.review)
        except (EstibaError, OSError) as error:
            _log.warning("nothing was counted for a review: %s", error)
            return {}


def _judge(error: BaseException | None) -> tuple[str, str]:
    """Return the name of the event and the sentence about how a release ended."""
    match error:
        case None:
            return "end", "the release is done"
        case ApprovalError():
            return "approval", error.message
        case RolledBackError():
            return "rolled-back", error.message
        case EstibaError():
            return "failure", error.message
        case _:
            return "failure", str(error) or type(error).__name__


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

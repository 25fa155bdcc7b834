"""Repair of what a killed command has left: its processes, and the schema of the release that goes on being served."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from estiba.deploy.host import evidence, migrations, report
from estiba.deploy.host.rollout import Step
from estiba.deploy.host.supervise import workers
from estiba.errors import StrandedError

if TYPE_CHECKING:
    from estiba.deploy.host.rollout import Rollout
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.logbook import Record
    from estiba.release_manifest import ReleaseManifest

_log = logging.getLogger(__name__)


def repair(rollout: Rollout, killed: Record, wanted: ReleaseManifest | None) -> None:
    """Remove what a killed command has left, and bring the target in line with the release that is served.

    Args:
        rollout: Command that repairs, which holds the lock.
        killed: Record of the killed command.
        wanted: Release that is deployed next, or None.

    Raises:
        StrandedError: Migrations that the served release cannot live with are not taken back, and the release that is
            deployed next does not have them. The next command tries again.
    """
    revisions = rollout.revisions
    explained = report.explain(killed, revisions)
    _log.warning(explained)
    rollout.on_status("repairing what is left of it")
    current, left = revisions.current(), revisions.load(killed.number)
    if current:
        rollout.start_servers(current.closure)
        before = revisions.load(killed.before)
        kept = _restore(rollout, killed, current, left=left, before=before, wanted=wanted)
        rollout.reconcile(kept, _other(kept, killed, left=left, before=before))
        current = kept
    elif left:
        workers.end(rollout.processes, left)
    if left and (not current or left.number != current.number):
        if killed.command == "deploy":
            revisions.retract(left)
        revisions.remove(left)
    rollout.is_returned = killed.command == "deploy" and (not current or current.number != killed.number)
    rollout.logbook.close(killed.end("interrupted", reason=explained))


def _other(kept: Revision, killed: Record, *, left: Revision | None, before: Revision | None) -> Revision | None:
    return before if kept.number == killed.number else left


def _restore(
    rollout: Rollout,
    killed: Record,
    current: Revision,
    *,
    left: Revision | None,
    before: Revision | None,
    wanted: ReleaseManifest | None,
) -> Revision:
    """Finish what the killed command has begun with the schema, and return the revision that is served with it."""
    is_switched = current.number == killed.number
    kept = before if is_switched else current
    if (is_switched and killed.step != Step.RETURN.name.lower()) or kept is None:
        return current
    reason = _finish_schema(rollout, killed, kept, left)
    if reason and is_switched and left and killed.command == "deploy":
        # As in a way back that was not killed: half of it is worse for both releases than none.
        reason = migrations.try_apply(rollout.processes, rollout.programs(left.closure), lambda _: None)
        if not reason:
            return current
    names = {one.partition(":")[0] for one in killed.contracts}
    if reason and not (wanted and names <= set(wanted.migrations.names)):
        msg = f"release {kept.number} cannot work with what a killed command has left of the schema: {reason}"
        raise StrandedError(msg, hint=evidence.STRANDED)
    if is_switched:
        rollout.revisions.switch(kept)
    return kept


def _finish_schema(rollout: Rollout, killed: Record, kept: Revision, left: Revision | None) -> str:
    """Give a release the schema that it needs, and return why that is not possible, or an empty string."""
    if killed.command == "rollback":
        may_be_gone = killed.reversed or killed.step in {Step.MIGRATE.name.lower(), Step.RETURN.name.lower()}
        programs = rollout.programs(kept.closure)
        return migrations.try_apply(rollout.processes, programs, lambda _: None) if may_be_gone else ""
    if not killed.contracts:
        return ""
    if left is None:
        return "the release that brought its migrations is gone"
    rollout.on_status("taking back the migrations that the served release cannot live with")
    programs = rollout.programs(left.closure)
    return migrations.try_take_back(
        rollout.processes, programs, killed.contracts, lambda _: None, served=kept.closure.path
    )

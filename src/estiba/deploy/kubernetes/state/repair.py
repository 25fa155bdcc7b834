"""Repair of what a killed command has left: Helm's pending revision, and a schema that what is served cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.deploy.kubernetes import migrations
from estiba.deploy.kubernetes.state import pending
from estiba.errors import DeployError, StrandedError, TargetError

if TYPE_CHECKING:
    from estiba.deploy.kubernetes.rollout import Rollout
    from estiba.deploy.kubernetes.state.store import Deployed
    from estiba.deploy.logbook import Record
    from estiba.release_manifest import ReleaseManifest


def repair(rollout: Rollout, killed: Record, wanted: ReleaseManifest | None, *, is_kept: bool) -> None:
    """Take back what a killed command has left, and move its record from the journal to the logbook.

    Where it has applied migrations that the served release cannot live with, that release fails until they are
    taken back; whatever else there is, the next upgrade replaces.

    Args:
        rollout: Command that repairs, which holds the lock.
        killed: Record of the killed command.
        wanted: Release that is deployed next, or None.
        is_kept: Whether the served release goes on being served meanwhile.

    Raises:
        StrandedError: They cannot be taken back, and the release that is deployed next does not have them.
    """
    rollout.on_status(f"repairing what `{killed.command}` of {killed.since} has left")
    pending.mark_failed(rollout.helm)
    store = rollout.store
    new, before = store.releases.get(killed.number), store.last_verified()
    if new and not new.is_verified and before and is_kept:
        _return(rollout, new, before, wanted)
    store.close(killed.end("interrupted", reason=f"killed in step {killed.step or 'none'}"))


def end(rollout: Rollout) -> Record:
    """Uninstall the release, and return the record.

    What a failed or killed command has removed from the schema is taken back first: afterwards nobody knows what was
    served, and the next release may be that one. Where that fails, the record says why.

    Raises:
        TargetError: The cluster cannot be reached, or refuses.
    """
    left, before = rollout.store.unverified(), rollout.store.last_verified()
    reason = ""
    if left and before:
        try:
            applied = rollout.find_applied(left, before)
            rollout.take_back(before, left, _find_steps(applied, left, before, served="nothing is served now"))
        except (DeployError, TargetError) as error:
            reason = f"{before.manifest.version} cannot be deployed again as it was: {error.message}"
    rollout.on_status("uninstalling the Helm release")
    rollout.helm.uninstall()
    rollout.store.releases.clear()
    record = rollout.record.end("down", reason=reason)
    rollout.store.close(record)
    return record


def _return(rollout: Rollout, new: Deployed, before: Deployed, wanted: ReleaseManifest | None) -> None:
    applied = rollout.find_applied(new, before)
    try:
        served = f"{before.manifest.version} is served, without what they removed"
        steps = _find_steps(applied, new, before, served=served)
    except StrandedError:
        # The way forward alone is left: to a release that has them too.
        if wanted is None or not set(applied) <= set(wanted.migrations.names):
            raise
        return
    if steps:
        rollout.keep_evidence(new, KeyboardInterrupt())
        made = rollout.restore(before, new, steps)
        rollout.forget(new)
        rollout.store.add(made, rollout.settings.keep)


def _find_steps(
    applied: tuple[str, ...], new: Deployed, before: Deployed, *, served: str
) -> tuple[tuple[str, str], ...]:
    return migrations.find_way_back(applied, new.manifest.migrations, before.manifest.migrations, served=served)

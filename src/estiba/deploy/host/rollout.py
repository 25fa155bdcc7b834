"""Rollout of a release: start it beside the previous one, switch traffic, run the smoke tests, revert on failure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, NoReturn

from estiba.deploy.host import checks, evidence, migrations
from estiba.deploy.host.served import static_files
from estiba.deploy.host.servers.lifecycle import DATABASES, PROXY
from estiba.deploy.host.supervise import readiness, workers
from estiba.errors import DeployError, EstibaError, RolledBackError, StrandedError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.logbook import Logbook, Record


class Step(Enum):
    """Steps of a rollout, in order, and its way back; the journal holds the last one that a killed command began."""

    SERVERS = "starting the servers"
    MIGRATE = "migrating"
    START = "starting the release"
    SWITCH = "switching to the release"
    WORKERS = "replacing the workers"
    SMOKE = "running the smoke tests"
    FINISH = "stopping the previous release"
    RETURN = "returning to the previous release"


@dataclass(slots=True, kw_only=True)
class Rollout:
    """Rollout in progress.

    Attributes:
        processes: Processes of the target.
        revisions: Revisions of the target.
        logbook: Logbook whose journal gets each step before it is begun.
        programs: Factory of the program descriptions of a release.
        record: Record of the command, extended as the rollout proceeds.
        on_status: Callback for progress; called with one line of text per step.
        contract: Allow migrations that remove what the previous release needs.
        lost: For a rollback, migrations that removed what the release needs, as `app.name: reason; reason`; they are
            taken back where that is possible.
        is_returned: Whether a killed deployment was repaired, so that what it was to replace is served.
    """

    processes: Processes
    revisions: RevisionStore
    logbook: Logbook
    programs: Callable[[HostClosure], Programs]
    record: Record
    on_status: Callable[[str], None]
    contract: bool = False
    lost: tuple[str, ...] = ()
    is_returned: bool = False

    def run(self, closure: HostClosure, *, generation: int = 0, is_new: bool = True) -> Record:
        """Replace the release that is served, and return the record of the command.

        Args:
            closure: Release to serve.
            generation: Generation of the Nix profile that holds it; 0 where it has none yet.
            is_new: Migrate the database and run the management commands among the smoke tests. False for a rollback:
                the release has passed them before, and the schema is newer than the release.

        Raises:
            DeployError: A step failed before the switch, or there was no previous release.
            RolledBackError: A step failed after the switch; the previous release is served again.
            StrandedError: A step failed, and so did the way back, or there is none.
        """
        before = self.revisions.current()
        revision = self.revisions.add(closure, generation)
        self.begin(revision, before)
        try:
            self._prepare(revision, before, is_new=is_new)
        except evidence.FAILURES as error:
            self.abort(revision, error)
        try:
            self._replace(revision, before, is_new=is_new)
        except evidence.FAILURES as error:
            self.revert(revision, before, error)
        # No revert from here on: the release has passed its tests, and the previous one may have ended.
        try:
            return self.finish(before)
        except (EstibaError, OSError) as error:
            msg = (
                f"release {revision.number} is served, but what is left of the one before could not be cleared: {error}"
            )
            raise DeployError(msg, hint="fix the cause; the next deploy or rollback clears it") from error

    def begin(self, revision: Revision, before: Revision | None) -> None:
        """Record which release the command is about, and which one was served before it."""
        closure = revision.closure
        names = {"digest": str(closure.digest), "version": closure.version, "revision": closure.revision}
        known: dict[str, Any] = {**names, "number": revision.number, "before": before.number if before else 0}
        self.record = replace(self.record, **known)

    def start_servers(self, closure: HostClosure) -> None:
        """Start PostgreSQL and Redis of a release; nginx is replaced later, with the switch.

        Raises:
            DeployError: A server does not start.
        """
        programs = self.programs(closure)
        # Asked before the start, after which none differs any more.
        self._report_restart(self.processes.servers.changed(programs, DATABASES))
        self._record_restarts(closure, self.processes.servers.start(programs))

    def reconcile(self, revision: Revision, before: Revision | None) -> Revision:
        """Make profile, servers and workers those of the release that is served, and stop the processes of another one.

        Args:
            revision: Revision that is served.
            before: Revision whose processes may still run, or None.

        Returns:
            The served revision with its generation.
        """
        programs = self.programs(revision.closure)
        known = self.revisions.record(revision)
        if not self.processes.servers.are_configured_for(programs):
            self.start_servers(revision.closure)
        workers.start(self.processes, known, programs, before)
        self._start_proxy(programs)
        if before and before.slot != revision.slot:
            workers.end(self.processes, before)
        return known

    def check_migrations(self, contracts: tuple[str, ...], before: Revision) -> None:
        """Refuse contracting migrations unless the command allows them.

        Args:
            contracts: Pending migrations that remove what the served release needs, as `app.name: reason; reason`.
            before: Revision that is served.

        Raises:
            DeployError: There are such migrations, and `contract` is not set.
        """
        if contracts and not self.contract:
            listed = "".join(f"\n  {one}" for one in contracts)
            msg = f"release {before.number}, which is served, could not live with these migrations:{listed}"
            hint = "first deploy code that does not need it; then remove it with invoke deploy --contract"
            raise DeployError(msg, hint=hint)
        self.record = replace(self.record, contracts=contracts)
        # Before they are applied: if this process is killed meanwhile, the repair must know that some may be applied.
        self.logbook.open(self.record)

    def record_migrations(self, applied: tuple[str, ...]) -> None:
        """Record the migrations that were applied, as `app.name`, and drop the contracts that were not."""
        contracts = tuple(one for one in self.record.contracts if one.partition(":")[0] in applied)
        self.record = replace(self.record, migrations=applied, contracts=contracts)

    def record_reversed(self, names: tuple[str, ...]) -> None:
        """Record migrations that were taken back, as `app.name`, and drop them from those that were applied."""
        self.record = replace(
            self.record,
            migrations=tuple(one for one in self.record.migrations if one not in names),
            contracts=tuple(one for one in self.record.contracts if one.partition(":")[0] not in names),
            reversed=(*self.record.reversed, *names),
        )
        self.logbook.open(self.record)

    def abort(self, revision: Revision, error: BaseException) -> NoReturn:
        """Abort a rollout before the switch: stop the new release, keep the evidence, and raise.

        Args:
            revision: Revision that was never served.
            error: Reason of the abort.

        Raises:
            DeployError: Always, with the reason, the folder of the evidence, and the migrations that stay applied.
            StrandedError: Instead, where migrations that the served release cannot live with could not be taken back.
            KeyboardInterrupt: `error` is one.
        """
        location = evidence.try_to_keep(self.processes, self.programs(revision.closure), self.record)
        # SIGKILL at once: it has no requests that could be lost.
        self.processes.runit.down(f"web-{revision.slot}", also="k")
        current = self.revisions.current()
        reason = self._restore_schema(revision, current)
        with self._restoring(error, location):
            if current and not self.processes.servers.are_configured_for(self.programs(current.closure)):
                self.start_servers(current.closure)
            self.revisions.remove(revision)
        if current and reason:
            outcome = f"release {current.number} is served, but cannot work with the migrations: {reason}"
            self._fail(error, "not taken back", outcome, location, kind=StrandedError)
        self._fail(error, "failed", "nothing was switched", location)

    def revert(self, revision: Revision, before: Revision | None, error: BaseException) -> NoReturn:
        """Revert a rollout after the switch: serve the previous release, whose web process still runs, and raise.

        Contracting migrations are taken back first. If that is not possible the new release stays, since the previous
        one cannot work any more.

        Args:
            revision: Revision that is served and failed.
            before: Previous revision, or None.
            error: Reason of the revert.

        Raises:
            RolledBackError: With the reason, the folder of the evidence, and the release that is served now.
            DeployError: Instead, where there was no previous release.
            StrandedError: Instead, where the new release stays, or the previous one does not come up.
            KeyboardInterrupt: `error` is one.
        """
        if before and (reason := self._restore_schema(revision, before)):
            self._keep_serving(revision, before, error, reason)
        self.on_status("reverting to the previous release")
        if before is None:
            location = evidence.try_to_keep(self.processes, self.programs(revision.closure), self.record)
            self.revisions.unserve()
            workers.end(self.processes, revision)
            self._fail(error, "failed", "there was no release before it, so nothing is served", location)
        # Users first: evidence and servers take seconds in which a broken release would be served.
        self.revisions.switch(before)
        location = evidence.try_to_keep(self.processes, self.programs(revision.closure), self.record)
        with self._restoring(error, location):
            self.reconcile(before, revision)
            # A generation that existed before the rollout can still be rolled back to later.
            if not revision.generation:
                self.revisions.retract(revision)
        self._fail(error, "taken back", f"release {before.number} is served again", location, kind=RolledBackError)

    def _prepare(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        """Run the steps before the switch, which do not affect the release that is served."""
        programs = self.programs(revision.closure)
        self._begin(Step.SERVERS)
        self.processes.keep_data(revision.closure.persist)
        # Before the migrations, which may need an extension that comes with the new PostgreSQL.
        self.start_servers(revision.closure)
        if is_new:
            self._begin(Step.MIGRATE)
            if before and migrations.may_differ(before.closure, revision.closure):
                self.check_migrations(migrations.list_contracts(self.processes, programs), before)
            migrations.apply(self.processes, programs, self.record_migrations, self.on_status)
        elif before and self.lost:
            self._begin(Step.MIGRATE)
            self._undo(before, revision.closure.path)
        if not is_new:
            static_files.upload(self.processes, programs)
        self._begin(Step.START)
        readiness.start(self.processes, revision, programs)
        checks.smoke(self.processes, self.processes.endpoint_of(revision), revision.closure)

    def _undo(self, before: Revision, kept: Path) -> None:
        """Take back for a rollback the migrations that removed what the release needs.

        Raises:
            DeployError: It failed half way. Where it is not possible at all, the rollback goes on without, as asked.
        """
        programs = self.programs(before.closure)
        reason = migrations.try_take_back(self.processes, programs, self.lost, self.record_reversed, served=kept)
        if reason and self.record.reversed:
            raise DeployError(reason)
        if reason:
            self.on_status(f"rolling back without the schema: {reason}")

    def _restore_schema(self, revision: Revision, before: Revision | None) -> str:
        """Make the schema one that the previous release can live with, and return why that is not possible, or "".

        Args:
            revision: Revision that failed.
            before: Previous revision, or None.
        """
        if before is None:
            return ""
        # If this process is killed meanwhile, the next command finishes it. On a full disk the way back goes on.
        self.record = replace(self.record, step=Step.RETURN.name.lower())
        with contextlib.suppress(OSError):
            self.logbook.open(self.record)
        if self.lost:
            programs = self.programs(before.closure)
            return migrations.try_apply(self.processes, programs, self._record_again) if self.record.reversed else ""
        if not self.record.contracts:
            return ""
        self.on_status("taking back the migrations that the previous release cannot live with")
        programs, lost = self.programs(revision.closure), self.record.contracts
        served = before.closure.path
        reason = migrations.try_take_back(self.processes, programs, lost, self.record_reversed, served=served)
        if reason and self.record.reversed:
            # Half of the way is worse for both releases than none of it.
            again = migrations.try_apply(self.processes, programs, self._record_again)
            reason = "; ".join(filter(None, [reason, again]))
        return reason

    def _record_again(self, applied: tuple[str, ...]) -> None:
        """Record migrations that were applied again after they had been taken back."""
        left = tuple(one for one in self.record.reversed if one not in applied)
        self.record = replace(self.record, reversed=left)

    def _replace(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        """Switch to the release, then test it as users see it."""
        programs = self.programs(revision.closure)
        self._begin(Step.SWITCH)
        self.revisions.switch(revision)
        # After the switch, so that an aborted rollout leaves no generation in the profile.
        self.revisions.record(revision)
        self._start_proxy(programs)
        self._begin(Step.WORKERS)
        workers.start(self.processes, revision, programs, before)
        self.try_out(revision, is_new=is_new)

    def try_out(self, revision: Revision, *, is_new: bool) -> None:
        """Run the smoke tests of the release that is served.

        Raises:
            DeployError: One fails.
        """
        self._begin(Step.SMOKE)
        checks.smoke(self.processes, self.processes.endpoint(), revision.closure)
        programs = self.programs(revision.closure)
        workers.check(self.processes, revision, programs)
        if is_new:
            checks.probe(self.processes, programs)
        self.revisions.releases.verify(revision.closure.path)

    def _start_proxy(self, programs: Programs) -> None:
        self._report_restart(self.processes.servers.changed(programs, PROXY))
        if self.processes.start_proxy(programs):
            self._record_restarts(programs.closure, PROXY)

    def _report_restart(self, servers: Sequence[str]) -> None:
        if servers:
            self.on_status(f"restarting {', '.join(servers)}")

    def _record_restarts(self, closure: HostClosure, servers: Sequence[str]) -> None:
        """Add servers that were restarted to the record, each with its version."""
        names = tuple(f"{name} {closure.versions[name]}" for name in servers)
        self.record = replace(self.record, restarted=(*self.record.restarted, *names))

    def finish(self, before: Revision | None) -> Record:
        """Stop the previous release, and return the record of the command, which is in the logbook then."""
        self._begin(Step.FINISH)
        self.processes.drain()
        if before:
            workers.end(self.processes, before)
        self.revisions.prune(self.processes.settings.keep)
        self.record = self.record.end("rolled back" if self.record.command == "rollback" else "deployed")
        self.logbook.close(self.record)
        return self.record

    def _keep_serving(self, revision: Revision, before: Revision, error: BaseException, reason: str) -> NoReturn:
        """Keep serving a release that failed, because contracting migrations leave the previous one unusable."""
        self.revisions.switch(revision)
        location = evidence.try_to_keep(self.processes, self.programs(revision.closure), self.record)
        with self._restoring(error, location):
            self.reconcile(revision, before)
        outcome = (
            f"release {revision.number} stays, since its migrations took away what release {before.number} needs, and "
            f"are not taken back: {reason}"
        )
        self._fail(error, "not taken back", outcome, location, kind=StrandedError)

    @contextlib.contextmanager
    def _restoring(self, error: BaseException, location: str) -> Iterator[None]:
        """Raise an error with both causes if the block fails; the journal stays open, so the next command repairs."""
        try:
            yield
        except Exception as second:
            state = f"what is to be served could not be brought up: {evidence.tell(second)}"
            msg = f"{evidence.tell(error)}\n  {state}\n  evidence: {location}"
            raise StrandedError(msg, hint="fix the cause; the next deploy or rollback repairs what is left") from second

    def _fail(
        self, error: BaseException, result: str, outcome: str, location: str, *, kind: type[DeployError] = DeployError
    ) -> NoReturn:
        applied, taken = map(evidence.enumerate_some, (self.record.migrations, self.record.reversed))
        stays = f"\n  migrations that were taken back: {taken}" if taken else ""
        stays += f"\n  applied migrations stay: {applied}" if applied else ""
        self.record = self.record.end(result, reason=str(error) or type(error).__name__)
        if kept := self.revisions.current():
            static_files.restore(self.processes, self.programs(kept.closure), self.on_status)
        # On a full disk the journal stays, and the next command repairs what there is.
        with contextlib.suppress(OSError):
            self.logbook.close(self.record)
        # The target is at fault and not the release, which the exit code has to tell.
        if isinstance(error, TargetError) and kind is DeployError:
            raise error
        msg = f"{evidence.tell(error)}\n  {outcome}{stays}\n  evidence: {location}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(msg) from error
        hint = error.hint if isinstance(error, EstibaError) else ""
        hint = evidence.STRANDED if kind is StrandedError else hint or "invoke logs, fix the cause, and deploy again"
        raise kind(msg, hint=hint) from error

    def _begin(self, step: Step) -> None:
        # The journal first: if this process is killed in the step, the next command knows which one it was.
        self.record = replace(self.record, step=step.name.lower())
        self.logbook.open(self.record)
        self.on_status(step.value)

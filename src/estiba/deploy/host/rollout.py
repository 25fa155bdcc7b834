"""Rollout of a release: start it beside the previous one, switch traffic, run the smoke tests, revert on failure."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn

from estiba.deploy.host import checks, evidence, migrations
from estiba.deploy.host.servers.lifecycle import DATABASES, PROXY
from estiba.errors import DeployError, EstibaError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.logbook import Logbook, Record
    from estiba.deploy.target import PlannedMigration

# Ctrl-C too: no half of a rollout is left behind.
_FAILURES: Final = (EstibaError, OSError, KeyboardInterrupt)


class Step(Enum):
    """Steps of a rollout, in order; the journal holds the last one that a killed command had begun."""

    SERVERS = "starting the servers"
    MIGRATE = "migrating"
    START = "starting the release"
    SWITCH = "switching to the release"
    WORKERS = "replacing the workers"
    SMOKE = "running the smoke tests"
    FINISH = "stopping the previous release"


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
    """

    processes: Processes
    revisions: RevisionStore
    logbook: Logbook
    programs: Callable[[HostClosure], Programs]
    record: Record
    on_status: Callable[[str], None]
    contract: bool = False

    def run(self, closure: HostClosure, *, generation: int = 0, is_new: bool = True) -> Record:
        """Replace the release that is served, and return the record of the command.

        Args:
            closure: Release to serve.
            generation: Generation of the Nix profile that holds it; 0 where it has none yet.
            is_new: Migrate the database and run the management commands among the smoke tests. False for a rollback:
                the release has passed them before, and the schema is newer than the release.

        Raises:
            DeployError: A step failed; the previous release is served again.
        """
        before = self.revisions.current()
        revision = self.revisions.add(closure, generation)
        self.record = replace(
            self.record,
            number=revision.number,
            digest=str(closure.digest),
            version=closure.version,
            revision=closure.revision,
            before=before.number if before else 0,
        )
        try:
            self._prepare(revision, before, is_new=is_new)
        except _FAILURES as error:
            self.abort(revision, error)
        try:
            self._replace(revision, before, is_new=is_new)
        except _FAILURES as error:
            self.revert(revision, before, error)
        # No revert from here on: the release has passed its tests, and the previous one may have ended.
        try:
            return self._finish(before)
        except (EstibaError, OSError) as error:
            msg = (
                f"release {revision.number} is served, but what is left of the one before could not be cleared: {error}"
            )
            raise DeployError(msg, hint="fix the cause; the next deploy or rollback clears it") from error

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
        self.processes.start_workers(known, programs, before)
        self._start_proxy(programs)
        if before and before.slot != revision.slot:
            self.processes.end(before)
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

    def abort(self, revision: Revision, error: BaseException) -> NoReturn:
        """Abort a rollout before the switch: stop the new release, keep the evidence, and raise.

        Args:
            revision: Revision that was never served.
            error: Reason of the abort.

        Raises:
            DeployError: Always, with the reason, the folder of the evidence, and the migrations that stay applied.
            KeyboardInterrupt: `error` is one.
        """
        location = self._keep_evidence(revision)
        # SIGKILL at once: it has no requests that could be lost.
        self.processes.runit.down(f"web-{revision.slot}", also="k")
        current = self.revisions.current()
        with self._restoring(error, location):
            if current and not self.processes.servers.are_configured_for(self.programs(current.closure)):
                self.start_servers(current.closure)
            self.revisions.remove(revision)
        self._fail(error, "failed", "nothing was switched", location)

    def revert(self, revision: Revision, before: Revision | None, error: BaseException) -> NoReturn:
        """Revert a rollout after the switch: serve the previous release, whose web process still runs, and raise.

        The new release stays if contracting migrations were applied, since the previous one cannot work any more.

        Args:
            revision: Revision that is served and failed.
            before: Previous revision, or None.
            error: Reason of the revert.

        Raises:
            DeployError: Always, with the reason, the folder of the evidence, and the release that is served now.
            KeyboardInterrupt: `error` is one.
        """
        if before and self.record.contracts:
            self._keep_serving(revision, before, error)
        self.on_status("reverting to the previous release")
        if before is None:
            location = self._keep_evidence(revision)
            self.revisions.unserve()
            self.processes.end(revision)
            self._fail(error, "failed", "there was no release before it, so nothing is served", location)
        # Users first: evidence and servers take seconds in which a broken release would be served.
        self.revisions.switch(before)
        location = self._keep_evidence(revision)
        with self._restoring(error, location):
            self.reconcile(before, revision)
            # A generation that existed before the rollout can still be rolled back to later.
            if not revision.generation:
                self.revisions.retract(revision)
        self._fail(error, "taken back", f"release {before.number} is served again", location)

    def _prepare(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        """Run the steps before the switch, which do not affect the release that is served."""
        programs = self.programs(revision.closure)
        self._begin(Step.SERVERS)
        # Before the migrations, which may need an extension that comes with the new PostgreSQL.
        self.start_servers(revision.closure)
        if is_new:
            self._begin(Step.MIGRATE)
            if before and migrations.may_differ(before.closure, revision.closure):
                self.check_migrations(_contracts(migrations.find_pending(self.processes, programs)), before)
            migrations.apply(self.processes, programs, self.record_migrations)
        self._begin(Step.START)
        self.processes.start(revision, programs)
        checks.smoke(self.processes, self.processes.endpoint_of(revision))

    def _replace(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        """Switch to the release, then test it as users see it."""
        programs = self.programs(revision.closure)
        self._begin(Step.SWITCH)
        self.revisions.switch(revision)
        # After the switch, so that an aborted rollout leaves no generation in the profile.
        self.revisions.record(revision)
        self._start_proxy(programs)
        self._begin(Step.WORKERS)
        self.processes.start_workers(revision, programs, before)
        self._begin(Step.SMOKE)
        checks.smoke(self.processes, self.processes.endpoint())
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

    def _finish(self, before: Revision | None) -> Record:
        self._begin(Step.FINISH)
        self.processes.drain()
        if before:
            self.processes.end(before)
        self.revisions.prune(self.processes.settings.keep)
        self.record = self.record.end("rolled back" if self.record.command == "rollback" else "deployed")
        self.logbook.close(self.record)
        return self.record

    def _keep_serving(self, revision: Revision, before: Revision, error: BaseException) -> NoReturn:
        """Keep serving a release that failed, because contracting migrations leave the previous one unusable."""
        self.revisions.switch(revision)
        location = self._keep_evidence(revision)
        with self._restoring(error, location):
            self.reconcile(revision, before)
        outcome = (
            f"release {revision.number} stays, since its migrations took away what release {before.number} needs; "
            "invoke rollback --contract goes back all the same"
        )
        self._fail(error, "not taken back", outcome, location)

    @contextlib.contextmanager
    def _restoring(self, error: BaseException, location: str) -> Iterator[None]:
        """Raise an error with both causes if the block fails; the journal stays open, so the next command repairs."""
        try:
            yield
        except (EstibaError, OSError) as second:
            state = f"what is to be served could not be brought up: {_reason(second)}"
            msg = f"{_reason(error)}\n  {state}\n  evidence: {location}"
            raise DeployError(msg, hint="fix the cause; the next deploy or rollback repairs what is left") from second

    def _keep_evidence(self, revision: Revision) -> str:
        try:
            return str(evidence.keep(self.processes, self.programs(revision.closure), self.record))
        except (EstibaError, OSError) as error:
            return f"none, since {error}"

    def _fail(self, error: BaseException, result: str, outcome: str, location: str) -> NoReturn:
        applied = ", ".join(self.record.migrations)
        stays = f"\n  applied migrations stay: {applied}" if applied else ""
        self.record = self.record.end(result, reason=str(error) or type(error).__name__)
        # On a full disk the journal stays, and the next command repairs what there is.
        with contextlib.suppress(OSError):
            self.logbook.close(self.record)
        # The target is at fault and not the release, which the exit code has to tell.
        if isinstance(error, TargetError):
            raise error
        msg = f"{_reason(error)}\n  {outcome}{stays}\n  evidence: {location}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(msg) from error
        hint = error.hint if isinstance(error, EstibaError) else ""
        raise DeployError(msg, hint=hint or "invoke logs, fix the cause, and deploy again") from error

    def _begin(self, step: Step) -> None:
        # The journal first: if this process is killed in the step, the next command knows which one it was.
        self.record = replace(self.record, step=step.name.lower())
        self.logbook.open(self.record)
        self.on_status(step.value)


def _contracts(pending: Sequence[PlannedMigration]) -> tuple[str, ...]:
    return tuple(f"{one.name}: {'; '.join(one.contracts)}" for one in pending if one.contracts)


def _reason(error: BaseException) -> str:
    if isinstance(error, EstibaError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__

"""The change from one release to another: brought up beside the old one, switched to, tried, or taken back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, NoReturn

from estiba.deploy.host import evidence, migrations
from estiba.deploy.host.servers.lifecycle import DATABASES, PROXY
from estiba.errors import DeployError, EstibaError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.logbook import Logbook, Record
    from estiba.endpoint import Endpoint

_PROBE_LIMIT: Final = 30.0
_FAILURES: Final = (EstibaError, OSError, KeyboardInterrupt)


class Step(Enum):
    """How far a command is; a command that was killed left the last one in the journal."""

    SERVERS = "starting the servers"
    MIGRATE = "migrating"
    START = "starting the release"
    SWITCH = "switching"
    WORKERS = "replacing the workers"
    SMOKE = "trying the release"
    FINISH = "ending the release before"


@dataclass(slots=True, kw_only=True)
class Rollout:
    """A change under way.

    Attributes:
        processes: The processes.
        revisions: The releases.
        logbook: Where each step is noted before it is taken.
        programs: Describes the programs of a release.
        record: What is known of the change so far.
        tell: Gets what is happening.
        contract: Whether migrations may take away what the release before needs.
    """

    processes: Processes
    revisions: RevisionStore
    logbook: Logbook
    programs: Callable[[HostClosure], Programs]
    record: Record
    tell: Callable[[str], None]
    contract: bool = False

    def run(self, closure: HostClosure, *, generation: int = 0, is_new: bool = True) -> Record:
        """Serve a release instead of the one that is served, and return the finished record.

        Args:
            closure: The release.
            generation: Of the profile, where it has one.
            is_new: Migrate, and try more than the pages; a release that is gone back to needs neither.

        Raises:
            DeployError: It does not work; what was served before is served again.
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
        try:
            return self._finish(before)
        except (EstibaError, OSError) as error:
            msg = (
                f"release {revision.number} is served, but what is left of the one before could not be cleared: {error}"
            )
            raise DeployError(msg, hint="mend the cause; the next deploy or rollback clears it") from error

    def start_servers(self, closure: HostClosure) -> None:
        """Have PostgreSQL and Redis of a release run; nginx follows with the switch.

        Raises:
            DeployError: They do not.
        """
        programs = self.programs(closure)
        self._tell_of(self.processes.servers.changed(programs, DATABASES))
        self._note(closure, self.processes.servers.start(programs))

    def settle(self, revision: Revision, before: Revision | None) -> Revision:
        """Make everything agree with the release that is served: profile, servers, workers, nothing of another one."""
        programs = self.programs(revision.closure)
        known = self.revisions.record(revision)
        if not self.processes.servers.are_of(programs):
            self.start_servers(revision.closure)
        self.processes.start_workers(known, programs, before)
        self._start_proxy(programs)
        if before and before.side != revision.side:
            self.processes.end(before)
        return known

    def check_migrations(self, contracts: tuple[str, ...], before: Revision) -> None:
        """Refuse migrations that the release before could not live with, unless they are asked for.

        Args:
            contracts: They, each as `app.name: reason; reason`.
            before: What is served.

        Raises:
            DeployError: There are some.
        """
        if contracts and not self.contract:
            listed = "".join(f"\n  {one}" for one in contracts)
            msg = f"release {before.number}, which is served, could not live with these migrations:{listed}"
            hint = "deploy code first that can do without it; then take it away by invoke deploy --contract"
            raise DeployError(msg, hint=hint)
        self.record = replace(self.record, contracts=contracts)
        # Whoever is killed while they are applied leaves no way back either.
        self.logbook.open(self.record)

    def record_migrations(self, applied: tuple[str, ...]) -> None:
        """Note which migrations were applied, as `app.name`; of the contracts those stay that are among them."""
        contracts = tuple(one for one in self.record.contracts if one.partition(":")[0] in applied)
        self.record = replace(self.record, migrations=applied, contracts=contracts)

    def abort(self, revision: Revision, error: BaseException) -> NoReturn:
        """End a release that was never served, and keep the evidence.

        Args:
            revision: The release.
            error: Why it is aborted.

        Raises:
            DeployError: Always, with the reason, where the evidence is, and what stays.
            KeyboardInterrupt: Where that is the error.
        """
        place = self._keep_evidence(revision)
        self.processes.runit.down(f"web-{revision.side}", also="k")
        current = self.revisions.current()
        with self._restoring(error, place):
            if current and not self.processes.servers.are_of(self.programs(current.closure)):
                self.start_servers(current.closure)
            self.revisions.remove(revision)
        self._fail(error, "failed", "nothing was switched", place)

    def revert(self, revision: Revision, before: Revision | None, error: BaseException) -> NoReturn:
        """Serve the release before again, whose web process still runs, unless it has lost what it needs.

        Args:
            revision: The release that is served and does not work.
            before: The one before it, or None.
            error: Why it is reverted.

        Raises:
            DeployError: Always, with the reason, where the evidence is, and what is served now.
            KeyboardInterrupt: Where that is the error.
        """
        if before and self.record.contracts:
            self._keep(revision, before, error)
        self.tell("taking the release back")
        if before is None:
            place = self._keep_evidence(revision)
            self.revisions.unserve()
            self.processes.end(revision)
            self._fail(error, "failed", "there was no release before it, so nothing is served", place)
        self.revisions.switch(before)
        place = self._keep_evidence(revision)
        with self._restoring(error, place):
            self.settle(before, revision)
            if not revision.generation:
                self.revisions.retract(revision)
        self._fail(error, "taken back", f"release {before.number} is served again", place)

    def _prepare(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        """Do all that the users do not notice."""
        programs = self.programs(revision.closure)
        self._step(Step.SERVERS)
        self.start_servers(revision.closure)
        if is_new:
            self._step(Step.MIGRATE)
            if before and migrations.may_differ(before.closure, revision.closure):
                self.check_migrations(migrations.find_contracts(self.processes, programs), before)
            migrations.apply(self.processes, programs, self.record_migrations)
        self._step(Step.START)
        self.processes.start(revision, programs)
        self._smoke(self.processes.endpoint_of(revision))

    def _replace(self, revision: Revision, before: Revision | None, *, is_new: bool) -> None:
        programs = self.programs(revision.closure)
        self._step(Step.SWITCH)
        self.revisions.switch(revision)
        self.revisions.record(revision)
        self._start_proxy(programs)
        self._step(Step.WORKERS)
        self.processes.start_workers(revision, programs, before)
        self._step(Step.SMOKE)
        self._smoke(self.processes.endpoint())
        for probe in revision.closure.probes if is_new else ():
            ran = self.processes.command(programs, ["manage", probe], limit=_PROBE_LIMIT)
            if not ran.has_passed:
                msg = f"manage.py {probe} failed:\n{ran.tail()}"
                raise DeployError(msg)

    def _start_proxy(self, programs: Programs) -> None:
        self._tell_of(self.processes.servers.changed(programs, PROXY))
        if self.processes.start_proxy(programs):
            self._note(programs.closure, PROXY)

    def _tell_of(self, servers: Sequence[str]) -> None:
        if servers:
            self.tell(f"restarting {', '.join(servers)}")

    def _note(self, closure: HostClosure, servers: Sequence[str]) -> None:
        """Note which servers were started anew, and with which version."""
        names = tuple(f"{name} {closure.versions[name]}" for name in servers)
        self.record = replace(self.record, restarted=(*self.record.restarted, *names))

    def _smoke(self, endpoint: Endpoint) -> None:
        problems = [problem for path in self.processes.settings.smoke if (problem := endpoint.problem(path))]
        if not endpoint.is_ready(self.processes.settings.ready):
            problems.append(f"{self.processes.settings.ready} says that the release is not ready")
        if problems:
            msg = f"the release does not work: {'; '.join(problems)}"
            raise DeployError(msg)

    def _finish(self, before: Revision | None) -> Record:
        self._step(Step.FINISH)
        self.processes.settle()
        if before:
            self.processes.end(before)
        self.revisions.prune(self.processes.settings.keep)
        self.record = self.record.end("rolled back" if self.record.command == "rollback" else "deployed")
        self.logbook.close(self.record)
        return self.record

    def _keep(self, revision: Revision, before: Revision, error: BaseException) -> NoReturn:
        """Go on serving a release that does not work as it should, since the one before it cannot."""
        self.revisions.switch(revision)
        place = self._keep_evidence(revision)
        with self._restoring(error, place):
            self.settle(revision, before)
        outcome = (
            f"release {revision.number} stays, since its migrations took away what release {before.number} needs; "
            "invoke rollback --contract goes back all the same"
        )
        self._fail(error, "not taken back", outcome, place)

    @contextlib.contextmanager
    def _restoring(self, error: BaseException, place: str) -> Iterator[None]:
        """Name both causes where what is to be served does not come up; the journal stays open for a repair."""
        try:
            yield
        except (EstibaError, OSError) as second:
            state = f"what is to be served could not be brought up: {_reason(second)}"
            msg = f"{_reason(error)}\n  {state}\n  evidence: {place}"
            raise DeployError(msg, hint="mend the cause; the next deploy or rollback repairs what is left") from second

    def _keep_evidence(self, revision: Revision) -> str:
        try:
            return str(evidence.keep(self.processes, self.programs(revision.closure), self.record))
        except (EstibaError, OSError) as error:
            return f"none, since {error}"

    def _fail(self, error: BaseException, result: str, outcome: str, place: str) -> NoReturn:
        applied = ", ".join(self.record.migrations)
        stays = f"\n  applied migrations stay: {applied}" if applied else ""
        self.record = self.record.end(result, reason=str(error) or type(error).__name__)
        # On a full disk the journal stays, and the next command repairs what there is.
        with contextlib.suppress(OSError):
            self.logbook.close(self.record)
        if isinstance(error, TargetError):
            raise error
        msg = f"{_reason(error)}\n  {outcome}{stays}\n  evidence: {place}"
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(msg) from error
        hint = error.hint if isinstance(error, EstibaError) else ""
        raise DeployError(msg, hint=hint or "invoke logs, mend the cause, and deploy again") from error

    def _step(self, step: Step) -> None:
        self.record = replace(self.record, step=step.name.lower())
        self.logbook.open(self.record)
        self.tell(step.value)


def _reason(error: BaseException) -> str:
    if isinstance(error, EstibaError):
        return error.message
    return "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__

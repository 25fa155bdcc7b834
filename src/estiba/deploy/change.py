"""The change from one release to another: brought up beside the old one, switched to, tried, or taken back."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NoReturn

from estiba.deploy import evidence, migration
from estiba.deploy.logbook import Step
from estiba.deploy.servers import DATABASES, PROXY
from estiba.errors import DeployError, EstibaError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from estiba.deploy.logbook import Logbook, Record
    from estiba.deploy.machine import Machine
    from estiba.deploy.probe import Door
    from estiba.deploy.program import Programs
    from estiba.deploy.release import Release
    from estiba.deploy.shelf import Entry, Shelf

_PROBE_LIMIT: Final = 30.0
_FAILURES: Final = (EstibaError, OSError, KeyboardInterrupt)


@dataclass(slots=True, kw_only=True)
class Change:
    """A change under way.

    Attributes:
        machine: The processes.
        shelf: The releases.
        logbook: Where each step is noted before it is taken.
        programs: Describes the programs of a release.
        record: What is known of the change so far.
        tell: Gets what is happening.
        contract: Whether migrations may take away what the release before needs.
    """

    machine: Machine
    shelf: Shelf
    logbook: Logbook
    programs: Callable[[Release], Programs]
    record: Record
    tell: Callable[[str], None]
    contract: bool = False

    def bring(self, release: Release, *, generation: int = 0, is_new: bool = True) -> Record:
        """Serve a release instead of the one that is served, and return the finished record.

        Args:
            release: The release.
            generation: Of the profile, where it has one.
            is_new: Migrate, and try more than the pages; a release that is gone back to needs neither.

        Raises:
            DeployError: It does not work; what was served before is served again.
        """
        before = self.shelf.current()
        entry = self.shelf.add(release, generation)
        self.record = replace(
            self.record,
            number=entry.number,
            digest=str(release.digest),
            version=release.version,
            revision=release.revision,
            before=before.number if before else 0,
        )
        try:
            self._prepare(entry, before, is_new=is_new)
        except _FAILURES as error:
            self._give_up(entry, error)
        try:
            self._replace(entry, before, is_new=is_new)
        except _FAILURES as error:
            self._take_back(entry, before, error)
        try:
            return self._finish(before)
        except (EstibaError, OSError) as error:
            msg = f"release {entry.number} is served, but what is left of the one before could not be cleared: {error}"
            raise DeployError(msg, hint="mend the cause; the next deploy or rollback clears it") from error

    def start_servers(self, release: Release) -> None:
        """Have PostgreSQL and Redis of a release run; nginx follows with the switch.

        Raises:
            DeployError: They do not.
        """
        programs = self.programs(release)
        self._tell_of(self.machine.servers.changed(programs, DATABASES))
        self._note(release, self.machine.servers.start(programs))

    def settle(self, entry: Entry, before: Entry | None) -> Entry:
        """Make everything agree with the release that is served: profile, servers, workers, nothing of another one."""
        programs = self.programs(entry.release)
        known = self.shelf.record(entry)
        if not self.machine.servers.are_of(programs):
            self.start_servers(entry.release)
        self.machine.start_workers(known, programs, before)
        self._start_proxy(programs)
        if before and before.side != entry.side:
            self.machine.end(before)
        return known

    def _prepare(self, entry: Entry, before: Entry | None, *, is_new: bool) -> None:
        """Do all that the users do not notice."""
        programs = self.programs(entry.release)
        self._step(Step.SERVERS)
        self.start_servers(entry.release)
        if is_new:
            self._step(Step.MIGRATE)
            if before and migration.may_differ(before.release, entry.release):
                self._weigh(migration.find_contracts(self.machine, programs), before)
            migration.apply(self.machine, programs, self._note_migrations)
        self._step(Step.START)
        self.machine.start(entry, programs)
        self._try(self.machine.door_of(entry))

    def _replace(self, entry: Entry, before: Entry | None, *, is_new: bool) -> None:
        programs = self.programs(entry.release)
        self._step(Step.SWITCH)
        self.shelf.switch(entry)
        self.shelf.record(entry)
        self._start_proxy(programs)
        self._step(Step.WORKERS)
        self.machine.start_workers(entry, programs, before)
        self._step(Step.SMOKE)
        self._try(self.machine.door())
        for probe in entry.release.probes if is_new else ():
            ran = self.machine.command(programs, ["manage", probe], limit=_PROBE_LIMIT)
            if not ran.has_passed:
                msg = f"manage.py {probe} failed:\n{ran.tail()}"
                raise DeployError(msg)

    def _start_proxy(self, programs: Programs) -> None:
        self._tell_of(self.machine.servers.changed(programs, PROXY))
        if self.machine.start_proxy(programs):
            self._note(programs.release, PROXY)

    def _tell_of(self, servers: Sequence[str]) -> None:
        if servers:
            self.tell(f"restarting {', '.join(servers)}")

    def _note(self, release: Release, servers: Sequence[str]) -> None:
        """Note which servers were started anew, and with which version."""
        names = tuple(f"{name} {release.versions[name]}" for name in servers)
        self.record = replace(self.record, restarted=(*self.record.restarted, *names))

    def _weigh(self, contracts: tuple[str, ...], before: Entry) -> None:
        """Refuse migrations that the release before could not live with, unless they are asked for."""
        if contracts and not self.contract:
            listed = "".join(f"\n  {one}" for one in contracts)
            msg = f"release {before.number}, which is served, could not live with these migrations:{listed}"
            hint = "deploy code first that can do without it; then take it away by invoke deploy --contract"
            raise DeployError(msg, hint=hint)
        self.record = replace(self.record, contracts=contracts)
        # Whoever is killed while they are applied leaves no way back either.
        self.logbook.open(self.record)

    def _note_migrations(self, applied: tuple[str, ...]) -> None:
        contracts = tuple(one for one in self.record.contracts if one.partition(":")[0] in applied)
        self.record = replace(self.record, migrations=applied, contracts=contracts)

    def _try(self, door: Door) -> None:
        problems = [problem for path in self.machine.settings.smoke if (problem := door.problem(path))]
        if not door.is_ready(self.machine.settings.ready):
            problems.append(f"{self.machine.settings.ready} says that the release is not ready")
        if problems:
            msg = f"the release does not work: {'; '.join(problems)}"
            raise DeployError(msg)

    def _finish(self, before: Entry | None) -> Record:
        self._step(Step.FINISH)
        self.machine.settle()
        if before:
            self.machine.end(before)
        self.shelf.prune(self.machine.settings.keep)
        self.record = self.record.end("rolled back" if self.record.command == "rollback" else "deployed")
        self.logbook.close(self.record)
        return self.record

    def _give_up(self, entry: Entry, error: BaseException) -> NoReturn:
        """End a release that was never served."""
        place = self._keep_evidence(entry)
        self.machine.supervisor.down(f"web-{entry.side}", also="k")
        current = self.shelf.current()
        with self._restoring(error, place):
            if current and not self.machine.servers.are_of(self.programs(current.release)):
                self.start_servers(current.release)
            self.shelf.remove(entry)
        self._fail(error, "failed", "nothing was switched", place)

    def _take_back(self, entry: Entry, before: Entry | None, error: BaseException) -> NoReturn:
        """Serve the release before again, whose web process still runs, unless it has lost what it needs."""
        if before and self.record.contracts:
            self._keep(entry, before, error)
        self.tell("taking the release back")
        if before is None:
            place = self._keep_evidence(entry)
            self.shelf.unserve()
            self.machine.end(entry)
            self._fail(error, "failed", "there was no release before it, so nothing is served", place)
        self.shelf.switch(before)
        place = self._keep_evidence(entry)
        with self._restoring(error, place):
            self.settle(before, entry)
            if not entry.generation:
                self.shelf.retract(entry)
        self._fail(error, "taken back", f"release {before.number} is served again", place)

    def _keep(self, entry: Entry, before: Entry, error: BaseException) -> NoReturn:
        """Go on serving a release that does not work as it should, since the one before it cannot."""
        self.shelf.switch(entry)
        place = self._keep_evidence(entry)
        with self._restoring(error, place):
            self.settle(entry, before)
        outcome = (
            f"release {entry.number} stays, since its migrations took away what release {before.number} needs; "
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

    def _keep_evidence(self, entry: Entry) -> str:
        try:
            return str(evidence.keep(self.machine, self.programs(entry.release), self.record))
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

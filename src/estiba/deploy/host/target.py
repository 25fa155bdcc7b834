"""The target that is this machine: nginx, gunicorn, workers and databases from the store, without containers."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host import closure as closures
from estiba.deploy.host import environment, settings
from estiba.deploy.host.processes import PAIRED, SLOTS, Processes
from estiba.deploy.host.rollout import Rollout, Step
from estiba.deploy.host.servers import postgresql, postgresql_tuning
from estiba.deploy.host.servers.lifecycle import SERVERS
from estiba.deploy.host.state import target_lock
from estiba.deploy.host.state.folder import StateFolder, is_versioned
from estiba.deploy.host.state.logbook import FileLogbook
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.deploy.host.supervise import logs
from estiba.deploy.host.supervise.program import Programs
from estiba.deploy.logbook import Record
from estiba.deploy.target import Report, Workload
from estiba.errors import ChoiceError, DeployError, EstibaError, TargetError
from estiba.process import run
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.settings import Settings
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.target import Finished
    from estiba.process import Runner
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

_log = logging.getLogger(__name__)
_COMMAND_LIMIT: Final = 60.0
"""Seconds that a management command may take."""

_SPACE: Final = 100 * 2**20
"""Bytes without which no deployment is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTarget:
    """A target on this machine; implements `estiba.deploy.target.Target`.

    Attributes:
        project: The service's folder.
        config: What the environment says.
        settings: The target's settings.
        runner: Runs Nix.
    """

    project: Path
    config: Config
    settings: Settings
    runner: Runner = run

    @classmethod
    def load(cls, name: str, table: Mapping[str, Any], project: Project, config: Config) -> HostTarget:
        """Make a target from its settings.

        Raises:
            ConfigError: They have problems.
        """
        found = settings.parse(name, table, folder=project.folder, state=config.state_dir / project.name)
        return cls(project=project.folder, config=config, settings=found)

    @property
    def contents(self) -> Contents:
        """See `Target.contents`."""
        return Contents.HOST

    def deploy(self, manifest: ReleaseManifest, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.deploy`."""
        with self._locked("deploy", tell) as rollout:
            rollout.contract = contract
            self._refuse_full()
            closure = self._closure(manifest)
            self._refuse_unfit(closure)
            current = self._revisions.current()
            if current and current.closure.path == closure.path and self._is_as_wanted(current):
                record = self._confirm(rollout, current)
            else:
                record = rollout.run(closure)
        for sentence in self._advise():
            _log.warning(sentence)
        return record

    def rollback(self, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.rollback`."""
        with self._locked("rollback", tell) as rollout:
            current = self._revisions.current()
            found = self._revisions.before(current) if current else None
            if found is None:
                msg = "there is no release to go back to"
                raise DeployError(msg, hint="invoke status shows what is served")
            generation, closure = found
            self._refuse_unfit(closure)
            if not contract:
                self._refuse_loss(closure)
            return rollout.run(closure, generation=generation, is_new=False)

    def down(self, *, tell: Callable[[str], None]) -> Record:
        """See `Target.down`."""
        with self._locked("down", tell, repair=False) as rollout:
            tell("ending all processes")
            self._processes.stop()
            record = rollout.record.end("down")
            rollout.logbook.close(record)
            return record

    def manage(self, words: Sequence[str]) -> Finished:
        """See `Target.manage`."""
        self._folder.claim(self.project)
        with target_lock.acquire(self._folder, Record.begin("manage").to_dict()):
            current = self._revisions.current()
            if current is None:
                msg = "nothing is served"
                raise DeployError(msg, hint="invoke deploy")
            programs = self._programs(current.closure)
            return self._processes.command(programs, ["manage", *words], limit=_COMMAND_LIMIT)

    def status(self) -> Report:
        """See `Target.status`."""
        current = self._revisions.current() if self._folder.path.exists() else None
        records = self._logbook.records()
        closure = current.closure if current else None
        return Report(
            target=self.settings.name,
            kind="host",
            service=closure.service if closure else "",
            is_ready=bool(current) and self._processes.endpoint().is_ready(self.settings.ready),
            release=current.to_release() if current else None,
            workloads=tuple(self._workloads(current)),
            addresses=self.addresses() if current else {},
            last=records[-1] if records else None,
            notes=tuple(self._notes(current)),
            details={
                "generation": current.generation if current else 0,
                "path": str(closure.path) if closure else "",
                "pids": {
                    slot: status.pid for slot in SLOTS if (status := self._processes.runit.status(slot)) and status.pid
                },
            },
        )

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """See `Target.logs`."""
        folder = self._folder.path / "logs"
        slots = [slot for slot in SLOTS if slot.startswith(process) and (folder / slot).is_dir()]
        if not slots:
            if known := [slot for slot in SLOTS if (folder / slot).is_dir()]:
                what = "process with logs named"
                raise ChoiceError(what, process, known)
            msg = "there are no logs yet"
            raise TargetError(msg, hint="invoke deploy")
        yield from logs.tail(folder, slots, tail)
        if follow:
            yield from logs.follow(folder, slots)

    def addresses(self) -> dict[str, str]:
        """See `Target.addresses`."""
        if not self._folder.path.exists():
            msg = "nothing was deployed here yet"
            raise DeployError(msg, hint="invoke deploy")
        endpoint = self._processes.endpoint()
        pages = {"page": next(iter(self.settings.smoke), "/")}
        # Most projects that were not made from the template have none.
        if endpoint.has(self.settings.ready):
            pages["ready"] = self.settings.ready
        return {name: f"http://{endpoint.host}{page}" for name, page in pages.items()}

    def _closure(self, manifest: ReleaseManifest) -> HostClosure:
        """Return what of a release runs here.

        Raises:
            TargetError: It has nothing for a host, or what it has is not in this machine's store.
        """
        if manifest.host is None:
            msg = f"the release {manifest.version} of {manifest.service} was built without what a host runs"
            raise TargetError(msg, hint="invoke deploy builds it")
        if not manifest.host.exists():
            msg = f"the release's programs lie in {self.config.store}, and start only where {manifest.host} is in place"
            raise TargetError(msg, hint="run the command inside ./nixw develop")
        return closures.load(manifest.host)

    @property
    def _folder(self) -> StateFolder:
        return StateFolder.at(self.settings.folder)

    @property
    def _revisions(self) -> RevisionStore:
        return RevisionStore(folder=self._folder, runner=self.runner)

    @property
    def _processes(self) -> Processes:
        return Processes(folder=self._folder, settings=self.settings, revisions=self._revisions, runner=self.runner)

    @property
    def _logbook(self) -> FileLogbook:
        return FileLogbook(folder=self._folder)

    def _programs(self, closure: HostClosure) -> Programs:
        env = environment.build(self.settings, self._folder, closure, self._processes.port())
        return replace(self._server_programs(closure), env=env)

    def _server_programs(self, closure: HostClosure) -> Programs:
        """Describe the servers alone, which know nothing of the service's environment."""
        plan = postgresql_tuning.plan(self.settings.memory or postgresql_tuning.measure())
        return Programs(
            folder=self._folder,
            closure=closure,
            env={},
            memory=plan,
            redis_port=self.settings.redis_port,
            listen=((self.settings.address, self._processes.port()),),
        )

    @contextmanager
    def _locked(self, command: str, tell: Callable[[str], None], *, repair: bool = True) -> Iterator[Rollout]:
        """Keep others out, and first of all repair what a killed command has left."""
        self._folder.claim(self.project)
        record = Record.begin(command)
        with target_lock.acquire(self._folder, record.to_dict()):
            rollout = Rollout(
                processes=self._processes,
                revisions=self._revisions,
                logbook=self._logbook,
                programs=self._programs,
                record=record,
                tell=tell,
            )
            if interrupted := self._logbook.interrupted():
                self._repair(interrupted, rollout, repair=repair)
            yield rollout

    def _repair(self, record: Record, rollout: Rollout, *, repair: bool) -> None:
        """Make everything agree with the release that is served: the killed command's, or the one before it."""
        _log.warning(explain(record, self._revisions))
        rollout.tell("repairing what is left of it")
        current = self._revisions.current()
        left = self._revisions.load(record.number)
        if repair and current:
            rollout.start_servers(current.closure)
            other = self._revisions.load(record.before) if current.number == record.number else left
            rollout.settle(current, other)
        elif left and not current:
            self._processes.end(left)
        if left and (not current or left.number != current.number):
            if record.command == "deploy":
                self._revisions.retract(left)
            self._revisions.remove(left)
        self._logbook.close(record.end("interrupted", reason=explain(record, self._revisions)))

    def _advise(self) -> Iterator[str]:
        """Yield what somebody should know who deploys here."""
        if advice := self._processes.systemd.advice():
            yield advice
        file, service = self.settings.env_file, self.project.resolve()
        if file and file.is_relative_to(service) and not is_versioned(service):
            yield f"{file} lies in a folder that Nix copies into its store, for everybody to read; keep it elsewhere"

    def _refuse_full(self) -> None:
        """Begin nothing new on a full disk; a way back needs next to nothing, and may be what frees it.

        Raises:
            TargetError: The disk is full.
        """
        if (left := self._folder.space()) < _SPACE:
            msg = f"the disk of {self._folder.path} has only {left // 2**20} MB left, {_SPACE // 2**20} MB are needed"
            raise TargetError(msg, hint="free some space; nix store gc drops what no project uses")

    def _refuse_unfit(self, closure: HostClosure) -> None:
        """Find out what would fail later.

        Raises:
            TargetError: The data is another PostgreSQL's, or the port is taken.
        """
        postgresql.check(self._folder, closure)
        self._processes.check_ports()

    def _refuse_loss(self, closure: HostClosure) -> None:
        """Do not go back past migrations that took away what a release needs.

        Raises:
            DeployError: There are such migrations.
        """
        records = self._logbook.records()
        served = [number for number, record in enumerate(records) if record.digest == str(closure.digest)]
        since = records[max(served, default=-1) + 1 :]
        if lost := [one for record in since for one in record.contracts]:
            listed = "".join(f"\n  {one}" for one in lost)
            msg = f"{closure.version} ({closure.digest}) has lost what it needs to these migrations:{listed}"
            raise DeployError(msg, hint="mend it and deploy again; invoke rollback --contract goes back all the same")

    def _is_as_wanted(self, revision: Revision) -> bool:
        """Tell whether a release runs with the environment that it would get now."""
        slot = f"web-{revision.side}"
        place = self._processes.runit.services / slot
        wanted = self._programs(revision.closure).web(place, self._revisions.run(revision.number))
        return self._processes.runit.installed(slot) == wanted

    def _confirm(self, rollout: Rollout, current: Revision) -> Record:
        """Bring up whatever of the served release does not run, and note it in the logbook."""
        closure = current.closure
        known: dict[str, Any] = {
            "number": current.number,
            "digest": str(closure.digest),
            "version": closure.version,
        }
        try:
            self._bring_up(rollout, current)
        except (EstibaError, OSError) as error:
            with suppress(OSError):
                rollout.logbook.close(rollout.record.end("failed", reason=str(error), **known))
            raise
        record = rollout.record.end("unchanged", **known)
        rollout.logbook.close(record)
        return record

    def _bring_up(self, rollout: Rollout, current: Revision) -> None:
        """Start what does not run, as after a restart of the machine."""
        programs = self._programs(current.closure)
        rollout.tell(Step.SERVERS.value)
        rollout.start_servers(current.closure)
        if not self._processes.runit.is_up(f"web-{current.side}"):
            self._processes.start(current, programs)
        rollout.settle(current, None)

    def _workloads(self, current: Revision | None) -> Iterator[Workload]:
        """Yield what should run, and what else does."""
        wanted = set(SERVERS) if current else set()
        if current:
            wanted |= {f"{name}-{current.side}" for name in PAIRED if name in current.closure.processes}
        for slot in SLOTS:
            status = self._processes.runit.status(slot)
            if slot in wanted or (status and status.state != "down"):
                state = status.state if status else "down"
                yield Workload(
                    name=slot,
                    state=state if slot in wanted or state != "up" else "finishing",
                    seconds=max(0, int(time.time() - status.since)) if status else 0,
                )

    def _notes(self, current: Revision | None) -> Iterator[str]:
        interrupted = self._logbook.interrupted()
        if target_lock.is_held(self._folder):
            yield f"{interrupted.user} runs {interrupted.command} here" if interrupted else "a command runs here"
        elif interrupted:
            yield f"{explain(interrupted, self._revisions)}; the next deploy or rollback repairs what is left of it"
        if current and (names := self._processes.servers.changed(self._server_programs(current.closure))):
            yield f"{', '.join(names)} run as another release's; the next deploy restarts them"


def explain(record: Record, revisions: RevisionStore) -> str:
    """Say what a killed command has left."""
    step = Step[record.step.upper()].value if record.step else "beginning"
    current = revisions.current()
    if current is None:
        outcome = "nothing is served"
    elif current.number == record.number:
        outcome = f"its release {current.number} is served"
    else:
        outcome = f"release {current.number} is served as before"
    return f"{record.command} by {record.user} was interrupted while {step}; {outcome}"

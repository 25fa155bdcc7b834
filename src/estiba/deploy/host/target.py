"""Target of kind `host`: nginx, gunicorn, workers and databases on this machine, without containers."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host import changes, checks, environment, report, settings
from estiba.deploy.host.front.front import Front
from estiba.deploy.host.front.published import Published, View
from estiba.deploy.host.processes import Processes
from estiba.deploy.host.rollout import Rollout, Step
from estiba.deploy.host.served import confirmation, conversion
from estiba.deploy.host.servers import postgresql_tuning
from estiba.deploy.host.state import repair as repairs
from estiba.deploy.host.state import target_lock
from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.logbook import FileLogbook
from estiba.deploy.host.state.revisions import RevisionStore
from estiba.deploy.host.supervise import logs, observation, oneshot, readiness, starter
from estiba.deploy.host.supervise.program import Programs
from estiba.deploy.logbook import Record
from estiba.deploy.target import Release, Report
from estiba.errors import ChoiceError, DeployError, TargetError
from estiba.process import run
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.settings import Settings
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.target import Changes, Finished, Observation
    from estiba.process import Runner
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

_log = logging.getLogger(__name__)
_COMMAND_LIMIT: Final = 60.0
"""Time limit of a management command, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTarget:
    """Target on this machine; implements `estiba.deploy.target.Target`.

    Attributes:
        project: Folder of the service.
        config: Configuration from the environment.
        settings: Settings of the target.
        runner: Runner of Nix commands.
    """

    project: Path
    config: Config
    settings: Settings
    runner: Runner = run

    @classmethod
    def load(cls, name: str, table: Mapping[str, Any], project: Project, config: Config) -> HostTarget:
        """Create a target from its settings; see `estiba.deploy.targets.KINDS`.

        Raises:
            ConfigError: The settings are invalid.
        """
        state = config.state_dir / project.name
        found = settings.parse(name, table, folder=project.folder, state=state, processes=project.processes)
        return cls(project=project.folder, config=config, settings=found)

    @property
    def contents(self) -> Contents:
        """See `Target.contents`."""
        return Contents.HOST

    @property
    def chart(self) -> Path | None:
        """See `Target.chart`."""
        return None

    def deploy(self, manifest: ReleaseManifest, *, on_status: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.deploy`."""
        with self._locked("deploy", on_status, manifest=manifest) as rollout:
            rollout.contract = contract
            checks.check_space(self._folder)
            closure = checks.load_closure(manifest, self.config.store)
            starter.keep(self._folder, closure, self.runner)
            checks.check_data_and_ports(self._processes, closure)
            self._published.check(closure)
            current = self._revisions.current()
            # The same release with another environment is rolled out like any other: it may fail as well.
            if current and current.closure.path == closure.path and confirmation.is_as_wanted(rollout, current):
                record = confirmation.confirm(rollout, current)
            else:
                self._revisions.releases.add(closure.path, manifest)
                record = rollout.run(closure)
            self._published.publish(closure, on_status)
        for sentence in checks.advise(self._processes, self.project):
            _log.warning(sentence)
        return record

    def plan(self, manifest: ReleaseManifest) -> Changes:
        """See `Target.plan`."""
        closure = checks.load_closure(manifest, self.config.store)
        current = self._current()
        # Where something is served, port and secrets are there, so nothing is chosen or created.
        programs = self._programs(closure) if current and self._processes.has_port else None
        return changes.plan(self._processes, manifest, closure, current=current, programs=programs)

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """See `Target.check`."""
        return checks.find_problems(self._processes, manifest, self.config.store, self._published.check)

    def variables(self) -> frozenset[str]:
        """See `Target.variables`."""
        current = self._current()
        return environment.names(self.settings, current.closure if current else None)

    def smoke(self, *, on_status: Callable[[str], None]) -> None:
        """See `Target.smoke`."""
        current = self._served()
        on_status(Step.SMOKE.value)
        checks.smoke(self._processes, self._processes.endpoint(), current.closure)
        checks.probe(self._processes, self._programs(current.closure))

    def observe(self, since: datetime) -> Observation:
        """See `Target.observe`; the period starts with the switch to the release if that is later than `since`."""
        current = self._current()
        if current is None:
            msg = "nothing is served, so there is nothing to observe"
            raise TargetError(msg, hint="invoke deploy")
        switch = datetime.fromtimestamp(self._revisions.switched(), tz=UTC)
        services = [*current.closure.services(current.slot)]
        return observation.observe(self._processes.runit, services, max(since, switch))

    def unlock(self) -> str:
        """See `Target.unlock`; the kernel releases the lock of a killed command, whose journal the next one repairs."""
        if not self._folder.path.exists():
            return ""
        with target_lock.acquire(self._folder, Record.begin("unlock").to_dict()):
            left = self._logbook.interrupted()
            return f"{left.user} ran {left.command} since {left.since} (process {left.pid})" if left else ""

    def records(self) -> list[Record]:
        """See `Target.records`."""
        return self._logbook.records()

    def chain(self) -> list[str] | None:
        """See `Target.chain`; whoever deploys to this machine can write all that it holds."""
        return None

    def rollback(self, *, on_status: Callable[[str], None], contract: bool = False, to: str = "") -> Record:
        """See `Target.rollback`."""
        with self._locked("rollback", on_status) as rollout:
            if rollout.is_returned and not to:
                return confirmation.confirm(rollout, self._revisions.current(), "rolled back")
            generation, closure = self._find_earlier(to)
            checks.check_data_and_ports(self._processes, closure)
            rollout.lost = self._find_lost(closure)
            if rollout.lost and not contract:
                listed = "".join(f"\n  {one}" for one in rollout.lost)
                msg = f"{closure.version} ({closure.digest}) has lost what it needs to these migrations:{listed}"
                hint = "invoke rollback --contract takes them back where it can, and rolls back in any case"
                raise DeployError(msg, hint=hint)
            record = rollout.run(closure, generation=generation, is_new=False)
            self._published.restore(closure, on_status)
            return record

    def down(self, *, on_status: Callable[[str], None]) -> Record:
        """See `Target.down`."""
        with self._locked("down", on_status) as rollout:
            on_status("stopping all processes")
            self._published.withdraw()
            if self._folder.is_shared:
                self._processes.end_shared()
            else:
                self._processes.stop()
            record = rollout.record.end("down")
            rollout.logbook.append(record)
            return record

    def manage(self, args: Sequence[str]) -> Finished:
        """See `Target.manage`."""
        self._folder.claim(self.project)
        with target_lock.acquire(self._folder, Record.begin("manage").to_dict()):
            conversion.refuse(self._folder)
            programs = self._programs(self._served().closure)
            return self._processes.command(programs, ["manage", *args], limit=_COMMAND_LIMIT)

    def attach(self, args: Sequence[str]) -> int:
        """See `Target.attach`; without the lock, since somebody may leave a shell open, and be deployed around."""
        closure = self._served().closure
        programs = self._programs(closure)
        return oneshot.attach(self._folder, closure, lambda directory: programs.command(directory, ["manage", *args]))

    def status(self) -> Report:
        """See `Target.status`."""
        current = self._current()
        records = self._logbook.records()
        closure = current.closure if current else None
        servers = self._server_programs(closure) if closure else None
        view = self._published.look() if current else View()
        return Report(
            target=self.settings.name,
            kind="host",
            service=closure.service if closure else "",
            is_ready=current is not None and view.is_served and self._is_ready(current),
            release=current.to_release() if current else None,
            left=self._find_left(current),
            workloads=tuple(report.workloads(self._processes, current)),
            addresses=self.addresses() if current else {},
            last=records[-1] if records else None,
            notes=(*report.notes(self._processes, self._logbook, servers), *view.notes),
            details={
                **view.to_dict(),
                "generation": current.generation if current else 0,
                "path": str(closure.path) if closure else "",
                "pids": report.pids(self._processes),
            },
        )

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """See `Target.logs`."""
        folder = self._folder.path / "logs"
        known = [service for service in self._processes.services if (folder / service).is_dir()]
        services = [service for service in known if service.startswith(process)]
        if not services:
            if known:
                what = "process with logs named"
                hint = f"invoke logs --process {known[0]}, for example; without --process, the logs of all"
                raise ChoiceError(what, process, known, hint=hint)
            msg = "there are no logs yet"
            raise TargetError(msg, hint="invoke deploy")
        yield from logs.tail(folder, services, tail)
        if follow:
            yield from logs.follow(folder, services)

    def addresses(self) -> dict[str, str]:
        """See `Target.addresses`."""
        if not self._folder.path.exists():
            msg = "nothing was deployed here yet"
            raise DeployError(msg, hint="invoke deploy")
        endpoint = self._processes.endpoint()
        pages = {"page": next(iter(self.settings.smoke), "/")}
        # A project that was not created from the template may have no such page.
        current = self._current()
        path = readiness.find_path(self._processes, current.closure) if current else self.settings.ready
        if path == self.settings.ready and endpoint.has(path):
            pages["ready"] = self.settings.ready
        return {name: f"{self._published.origin(endpoint)}{page}" for name, page in pages.items()}

    def _find_earlier(self, version: str) -> tuple[int, HostClosure]:
        """Return generation and closure of the release to roll back to.

        Args:
            version: Its version, or an empty string for the last one that was verified.

        Raises:
            ChoiceError: No release of that version is kept.
            DeployError: There is no earlier one.
        """
        current = self._revisions.current()
        kept = self._revisions.kept(current) if current else []
        found = self._revisions.before(current) if current else None
        if version:
            versions = list(dict.fromkeys(closure.version for _, closure in kept))
            found = next((one for one in kept if one[1].version == version), None)
            if found is None and versions:
                what = "kept release of version"
                raise ChoiceError(what, version, versions, hint="invoke rollback without --to returns to the last one")
        if found is None:
            msg = "there is no earlier release to roll back to"
            raise DeployError(msg, hint="invoke status shows what is served")
        return found

    def _is_ready(self, current: Revision) -> bool:
        path = readiness.find_path(self._processes, current.closure)
        is_ready = readiness.is_ready(self._processes.endpoint(), path, self.settings.ready)
        return is_ready and report.is_complete(self._processes, current)

    def _find_left(self, current: Revision | None) -> Release | None:
        """Return the release that a killed deployment has left beside the one that is served."""
        left = self._logbook.interrupted()
        if left is None or left.command != "deploy" or left.number in {0, current.number if current else 0}:
            return None
        return Release(number=left.number, digest=left.digest, version=left.version, commit=left.revision)

    def _current(self) -> Revision | None:
        """Return the revision that is served; unlike commands that change the target, creates no state folder."""
        return self._revisions.current() if self._folder.path.exists() else None

    def _served(self) -> Revision:
        """Return the revision that is served.

        Raises:
            DeployError: Nothing is served.
        """
        current = self._current()
        if current is None:
            msg = "nothing is served"
            raise DeployError(msg, hint="invoke deploy")
        return current

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
    def _published(self) -> Published:
        front, processes = Front.at(self.config.state_dir, self.runner), self._processes
        return Published(front=front, settings=self.settings, port=processes.port, secret=processes.proof)

    @property
    def _logbook(self) -> FileLogbook:
        return FileLogbook(folder=self._folder)

    def _programs(self, closure: HostClosure) -> Programs:
        known = replace(self.settings, redis_port=self._processes.redis_port())
        env = environment.build(known, self._folder, closure, self._processes.port())
        return replace(self._server_programs(closure), env=env)

    def _server_programs(self, closure: HostClosure) -> Programs:
        """Return descriptions of the servers alone; unlike the service's, they need no environment or secrets."""
        plan = postgresql_tuning.plan(self.settings.memory or postgresql_tuning.measure())
        return Programs(
            folder=self._folder,
            closure=closure,
            env={},
            memory=plan,
            redis_port=self._processes.redis_port(),
            listen=((self.settings.address, self._processes.port()),),
            internal=tuple(sorted(self.settings.internal.values())),
            published=tuple(sorted({one.folder for one in self.settings.published})),
        )

    @contextmanager
    def _locked(
        self, command: str, on_status: Callable[[str], None], *, manifest: ReleaseManifest | None = None
    ) -> Iterator[Rollout]:
        """Lock the target, and repair first what a killed command has left.

        Args:
            command: Name of the command; `down` leaves a folder of an earlier version as it is, and so the journal of a
                killed command, whose repair would start what is stopped next.
            on_status: Callback for progress.
            manifest: Release that is deployed, whose starter can run a folder of an earlier version after conversion.

        Raises:
            TargetError: The folder is one of an earlier version, and there is no manifest.
        """
        # First, since the lock is a file in the folder.
        self._folder.claim(self.project)
        record = Record.begin(command)
        with target_lock.acquire(self._folder, record.to_dict()):
            rollout = Rollout(
                processes=self._processes,
                revisions=self._revisions,
                logbook=self._logbook,
                programs=self._programs,
                record=record,
                on_status=on_status,
            )
            is_shared, is_kept = self._folder.is_shared, command != "down"
            if is_shared and is_kept:
                on_status("giving each program a user of its own")
                conversion.convert(
                    self._processes, checks.load_closure(manifest, self.config.store) if manifest else None
                )
            if is_kept and (interrupted := self._logbook.interrupted()):
                repairs.repair(rollout, interrupted, manifest)
            if is_shared and is_kept and (current := self._revisions.current()):
                # Before anything is tried: what is served until then must come up by itself.
                confirmation.bring_up(rollout, current)
            yield rollout

    def _find_lost(self, closure: HostClosure) -> tuple[str, ...]:
        """Return the migrations since a release was last served that removed what it needs, unless taken back since.

        Each is `app.name: reason; reason`.
        """
        records = self._logbook.records()
        served = [number for number, record in enumerate(records) if record.digest == str(closure.digest)]
        lost: dict[str, str] = {}
        for record in records[max(served, default=-1) + 1 :]:
            lost |= {one.partition(":")[0]: one for one in record.contracts}
            lost = {name: one for name, one in lost.items() if name not in record.reversed}
        return tuple(lost.values())

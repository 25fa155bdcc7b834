"""The target that is this machine: nginx, gunicorn, workers and databases from the store, without containers."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from estiba.build import realise
from estiba.deploy import database, environment, lines, memory, turn
from estiba.deploy import release as releases
from estiba.deploy.change import Change
from estiba.deploy.folder import Folder, is_versioned
from estiba.deploy.logbook import Logbook, Record, Step
from estiba.deploy.machine import PAIRED, SLOTS, Machine
from estiba.deploy.program import Programs
from estiba.deploy.servers import SERVERS
from estiba.deploy.shelf import Shelf
from estiba.deploy.target import Process, Report
from estiba.errors import ChoiceError, DeployError, EstibaError, TargetError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.release import Release
    from estiba.deploy.settings import Settings
    from estiba.deploy.shelf import Entry
    from estiba.deploy.task import Ran
    from estiba.process import Runner

_log = logging.getLogger(__name__)
_RESULT: Final = ".estiba/host"
_COMMAND_LIMIT: Final = 60.0
"""Seconds that a management command may take."""

_SPACE: Final = 100 * 2**20
"""Bytes without which no deployment is begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
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

    def deploy(self, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.deploy`."""
        with self._turn("deploy", tell) as change:
            change.contract = contract
            self._refuse_full()
            tell("building")
            link = self.project / _RESULT
            link.parent.mkdir(exist_ok=True)
            path = realise(self.project, releases.ATTRIBUTE, self.config, out_link=link, on_status=tell)
            if not path.exists():
                msg = f"the release's programs lie in {self.config.store}, and start only where {path} is in place"
                raise TargetError(msg, hint="run the command inside ./nixw develop")
            release = releases.load(path)
            self._refuse_unfit(release)
            current = self._shelf.current()
            if current and current.release.path == release.path and self._is_as_wanted(current):
                record = self._confirm(change, current)
            else:
                record = change.bring(release)
        for sentence in self._advise():
            _log.warning(sentence)
        return record

    def rollback(self, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """See `Target.rollback`."""
        with self._turn("rollback", tell) as change:
            current = self._shelf.current()
            found = self._shelf.before(current) if current else None
            if found is None:
                msg = "there is no release to go back to"
                raise DeployError(msg, hint="invoke status shows what is served")
            generation, release = found
            self._refuse_unfit(release)
            if not contract:
                self._refuse_loss(release)
            return change.bring(release, generation=generation, is_new=False)

    def down(self, *, tell: Callable[[str], None]) -> Record:
        """See `Target.down`."""
        with self._turn("down", tell, repair=False) as change:
            tell("ending all processes")
            self._machine.stop()
            record = change.record.end("down")
            change.logbook.close(record)
            return record

    def manage(self, words: Sequence[str]) -> Ran:
        """See `Target.manage`."""
        self._folder.claim(self.project)
        with turn.take(self._folder, Record.begin("manage").to_dict()):
            current = self._shelf.current()
            if current is None:
                msg = "nothing is served"
                raise DeployError(msg, hint="invoke deploy")
            programs = self._programs(current.release)
            return self._machine.command(programs, ["manage", *words], limit=_COMMAND_LIMIT)

    def status(self) -> Report:
        """See `Target.status`."""
        current = self._shelf.current() if self._folder.path.exists() else None
        records = self._logbook.records()
        release = (
            {
                "digest": str(current.release.digest),
                "generation": current.generation,
                "number": current.number,
                "path": str(current.release.path),
                "revision": current.release.revision,
                "version": current.release.version,
            }
            if current
            else {}
        )
        return Report(
            target=self.settings.name,
            service=current.release.service if current else "",
            is_ready=bool(current) and self._machine.door().is_ready(self.settings.ready),
            release=release,
            processes=tuple(self._processes(current)),
            urls=self.urls() if current else {},
            last=records[-1] if records else None,
            notes=tuple(self._notes(current)),
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
        yield from lines.last(folder, slots, tail)
        if follow:
            yield from lines.follow(folder, slots)

    def urls(self) -> dict[str, str]:
        """See `Target.urls`."""
        if not self._folder.path.exists():
            msg = "nothing was deployed here yet"
            raise DeployError(msg, hint="invoke deploy")
        door = self._machine.door()
        pages = {"page": next(iter(self.settings.smoke), "/")}
        # Most projects that were not made from the template have none.
        if door.has(self.settings.ready):
            pages["ready"] = self.settings.ready
        return {name: f"http://{door.host}{page}" for name, page in pages.items()}

    @property
    def _folder(self) -> Folder:
        return Folder.at(self.settings.folder)

    @property
    def _shelf(self) -> Shelf:
        return Shelf(folder=self._folder, runner=self.runner)

    @property
    def _machine(self) -> Machine:
        return Machine(folder=self._folder, settings=self.settings, shelf=self._shelf, runner=self.runner)

    @property
    def _logbook(self) -> Logbook:
        return Logbook(folder=self._folder)

    def _programs(self, release: Release) -> Programs:
        env = environment.build(self.settings, self._folder, release, self._machine.port())
        return replace(self._server_programs(release), env=env)

    def _server_programs(self, release: Release) -> Programs:
        """Describe the servers alone, which know nothing of the service's environment."""
        plan = memory.plan(self.settings.memory or memory.measure())
        return Programs(folder=self._folder, release=release, env={}, memory=plan, redis_port=self.settings.redis_port)

    @contextmanager
    def _turn(self, command: str, tell: Callable[[str], None], *, repair: bool = True) -> Iterator[Change]:
        """Keep others out, and first of all repair what a killed command has left."""
        self._folder.claim(self.project)
        record = Record.begin(command)
        with turn.take(self._folder, record.to_dict()):
            change = Change(
                machine=self._machine,
                shelf=self._shelf,
                logbook=self._logbook,
                programs=self._programs,
                record=record,
                tell=tell,
            )
            if interrupted := self._logbook.interrupted():
                self._repair(interrupted, change, repair=repair)
            yield change

    def _repair(self, record: Record, change: Change, *, repair: bool) -> None:
        """Make everything agree with the release that is served: the killed command's, or the one before it."""
        _log.warning(explain(record, self._shelf))
        change.tell("repairing what is left of it")
        current = self._shelf.current()
        left = self._shelf.entry(record.number)
        if repair and current:
            change.start_servers(current.release)
            other = self._shelf.entry(record.before) if current.number == record.number else left
            change.settle(current, other)
        elif left and not current:
            self._machine.end(left)
        if left and (not current or left.number != current.number):
            if record.command == "deploy":
                self._shelf.retract(left)
            self._shelf.remove(left)
        self._logbook.close(record.end("interrupted", reason=explain(record, self._shelf)))

    def _advise(self) -> Iterator[str]:
        """Yield what somebody should know who deploys here."""
        if advice := self._machine.unit.advice():
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

    def _refuse_unfit(self, release: Release) -> None:
        """Find out what would fail later.

        Raises:
            TargetError: The data is another PostgreSQL's, or the port is taken.
        """
        database.check(self._folder, release)
        self._machine.check_ports()

    def _refuse_loss(self, release: Release) -> None:
        """Do not go back past migrations that took away what a release needs.

        Raises:
            DeployError: There are such migrations.
        """
        records = self._logbook.records()
        served = [number for number, record in enumerate(records) if record.digest == str(release.digest)]
        since = records[max(served, default=-1) + 1 :]
        if lost := [one for record in since for one in record.contracts]:
            listed = "".join(f"\n  {one}" for one in lost)
            msg = f"{release.version} ({release.digest}) has lost what it needs to these migrations:{listed}"
            raise DeployError(msg, hint="mend it and deploy again; invoke rollback --contract goes back all the same")

    def _is_as_wanted(self, entry: Entry) -> bool:
        """Tell whether a release runs with the environment that it would get now."""
        slot = f"web-{entry.side}"
        place = self._machine.supervisor.services / slot
        wanted = self._programs(entry.release).web(place, self._shelf.run(entry.number))
        return self._machine.supervisor.installed(slot) == wanted

    def _confirm(self, change: Change, current: Entry) -> Record:
        """Bring up whatever of the served release does not run, and note it in the logbook."""
        release = current.release
        known: dict[str, Any] = {
            "number": current.number,
            "digest": str(release.digest),
            "version": release.version,
        }
        try:
            self._bring_up(change, current)
        except (EstibaError, OSError) as error:
            with suppress(OSError):
                change.logbook.close(change.record.end("failed", reason=str(error), **known))
            raise
        record = change.record.end("unchanged", **known)
        change.logbook.close(record)
        return record

    def _bring_up(self, change: Change, current: Entry) -> None:
        """Start what does not run, as after a restart of the machine."""
        programs = self._programs(current.release)
        change.tell(Step.SERVERS.value)
        change.start_servers(current.release)
        if not self._machine.supervisor.is_up(f"web-{current.side}"):
            self._machine.start(current, programs)
        change.settle(current, None)

    def _processes(self, current: Entry | None) -> Iterator[Process]:
        """Yield what should run, and what else does."""
        wanted = set(SERVERS) if current else set()
        if current:
            wanted |= {f"{name}-{current.side}" for name in PAIRED if name in current.release.processes}
        for slot in SLOTS:
            status = self._machine.supervisor.status(slot)
            if slot in wanted or (status and status.state != "down"):
                state = status.state if status else "down"
                yield Process(
                    name=slot,
                    state=state if slot in wanted or state != "up" else "finishing",
                    pid=status.pid if status else 0,
                    seconds=max(0, int(time.time() - status.since)) if status else 0,
                )

    def _notes(self, current: Entry | None) -> Iterator[str]:
        interrupted = self._logbook.interrupted()
        if turn.is_taken(self._folder):
            yield f"{interrupted.user} runs {interrupted.command} here" if interrupted else "a command runs here"
        elif interrupted:
            yield f"{explain(interrupted, self._shelf)}; the next deploy or rollback repairs what is left of it"
        if current and (names := self._machine.servers.changed(self._server_programs(current.release))):
            yield f"{', '.join(names)} run as another release's; the next deploy restarts them"


def explain(record: Record, shelf: Shelf) -> str:
    """Say what a killed command has left."""
    step = Step[record.step.upper()].value if record.step else "beginning"
    current = shelf.current()
    if current is None:
        outcome = "nothing is served"
    elif current.number == record.number:
        outcome = f"its release {current.number} is served"
    else:
        outcome = f"release {current.number} is served as before"
    return f"{record.command} by {record.user} was interrupted while {step}; {outcome}"

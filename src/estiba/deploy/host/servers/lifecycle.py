"""PostgreSQL, Redis and nginx of a target: which release's they are, and changed for another one's.

A server that has to change ends, and the supervisor starts it again, which needs nobody for that: where the deploying
process is killed, the server still comes back.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.servers import postgresql, redis
from estiba.deploy.host.supervise.program import LISTENER, is_same
from estiba.endpoint import dial
from estiba.nix import commands as nix
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.host.supervise.runit import Runit
    from estiba.process import Runner

DATABASES: Final = ("postgresql", "redis")
PROXY: Final = ("nginx",)
SERVERS: Final = (*DATABASES, LISTENER, *PROXY)

LIMIT: Final = 60.0
"""Seconds until a server has to answer."""

_ENDINGS: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    # Its fast end: transactions are taken back, all that was committed is written.
    "postgresql": (("i", 60.0), ("q", 10.0)),
    # Writes its log of changes to the disk first.
    "redis": (("t", 60.0), ("k", 10.0)),
}
# Answers what it was asked; whoever asks meanwhile waits.
_PROXY_ENDING: Final = (("q", 5.0), ("t", 10.0))

_HANDOVER: Final = "handover.sock"
"""Where the starter gives and takes sockets; see `nix/build/builders/release/start.py`."""

_NEXT: Final = "-next"
_JOBS: Final = ("worker-", "scheduler-")
_JOB_LIMIT: Final = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The servers in a target's folder.

    Attributes:
        folder: The target's folder.
        runit: What keeps them running.
        runner: Runs Nix.
    """

    folder: StateFolder
    runit: Runit
    runner: Runner = run

    def changed(self, programs: Programs, slots: Sequence[str] = SERVERS) -> list[str]:
        """Return those servers that run, but not as a release describes them."""
        up = [slot for slot in slots if self.runit.is_up(slot)]
        return [slot for slot in up if not is_same(self.runit.running(slot), self._describe(slot, programs))]

    def are_of(self, programs: Programs) -> bool:
        """Tell whether all servers are set to be those of a release, and none runs as another one's."""
        return all(self._is_set(slot, programs) for slot in SERVERS) and not self.changed(programs)

    def start(self, programs: Programs) -> list[str]:
        """Start PostgreSQL and Redis, wait until they answer, and return those that were another release's before.

        Raises:
            DeployError: One of them does not.
        """
        closure = programs.closure
        postgresql.initialise(self.folder, programs)
        if programs.redis_port:
            redis.write_password(self.folder)
        if not self.runit.is_alive(DATABASES[0]):
            self._keep("supervisor", closure.runit)
        self.runit.install_all(starter=closure.starter)
        self.runit.start(closure.runit)
        changed = self.changed(programs, DATABASES)
        for slot in DATABASES:
            self.install(slot, programs)
        if changed:
            with self._without_jobs():
                postgresql.checkpoint(self.folder, programs)
                since = self.restart(changed, programs)
                self._await(programs, since)
        for slot in DATABASES:
            self.up(slot, programs)
        self._await(programs, {})
        return changed

    def install(self, slot: str, programs: Programs) -> None:
        """Set what a server runs from its next start on; one that runs as the same already stays where it is."""
        closure = programs.closure
        if self.runit.is_up(slot):
            if self._is_set(slot, programs):
                return
            self._keep_running(slot)
        self._keep(f"{slot}{_NEXT}", closure.path)
        self.runit.install(slot, self._describe(slot, programs), starter=closure.starter)

    def up(self, slot: str, programs: Programs) -> None:
        """Start a server unless it runs."""
        if not self.runit.is_up(slot):
            self._keep(slot, programs.closure.path)
            self.runit.up(slot)

    def restart(self, slots: Sequence[str], programs: Programs) -> dict[str, float]:
        """Change servers that run for what they are set to, and return when each was started.

        Raises:
            DeployError: One of them does not end.
        """
        since = self.runit.restart({slot: _ENDINGS[slot] for slot in slots})
        for slot in slots:
            self._keep(slot, programs.closure.path)
        return since

    def replace_proxy(self, programs: Programs, is_ready: Callable[[], bool]) -> None:
        """Change nginx for what it is set to; whoever asks meanwhile waits.

        Args:
            programs: Those of the release that is set.
            is_ready: Tells whether it answers.

        Raises:
            DeployError: The one before does not end, or the new one does not answer.
        """
        (slot,) = PROXY
        since = self.runit.restart({slot: _PROXY_ENDING})[slot]
        self._keep(slot, programs.closure.path)
        self.runit.wait_ready(slot, is_ready, LIMIT, since=since)

    def is_listening(self, programs: Programs) -> bool:
        """Tell whether the sockets that nginx is to have are held."""
        return self.runit.is_up(LISTENER) and not self.changed(programs, [LISTENER])

    def start_listening(self, programs: Programs) -> None:
        """Hold the sockets that nginx is to have from now on; nothing may listen there.

        Raises:
            DeployError: They cannot be had.
        """
        self.up(LISTENER, programs)
        file = self.runit.services / LISTENER / _HANDOVER
        self.runit.wait_ready(LISTENER, lambda: _is_answered(file), LIMIT)

    def _describe(self, slot: str, programs: Programs) -> dict[str, Any]:
        place = self.runit.services / slot
        match slot:
            case "postgresql":
                return programs.postgresql(place)
            case "redis":
                return programs.redis(place)
            case "nginx":
                return programs.nginx(place)
            case _:
                return programs.listener()

    def _is_set(self, slot: str, programs: Programs) -> bool:
        """Tell whether a server would start again as a release describes it."""
        return is_same(self.runit.installed(slot), self._describe(slot, programs))

    def _keep(self, name: str, path: Path) -> None:
        """Keep what a server runs from, or is about to, for as long as nothing else takes its place."""
        nix.add_root(self.folder.path / "roots" / name, path, runner=self.runner)

    def _keep_running(self, slot: str) -> None:
        """Keep what a server runs from that has died since it was set anew, and started again by itself."""
        following = self.folder.path / "roots" / f"{slot}{_NEXT}"
        if following.is_symlink() and self.runit.running(slot) == self.runit.installed(slot):
            self._keep(slot, following.readlink())

    def _await(self, programs: Programs, since: Mapping[str, float]) -> None:
        questions = {
            "postgresql": functools.partial(postgresql.is_ready, self.folder, programs),
            "redis": functools.partial(redis.is_ready, self.folder, is_secured=bool(programs.redis_port)),
        }
        for slot, is_ready in questions.items():
            self.runit.wait_ready(slot, is_ready, LIMIT, since=since.get(slot, 0.0))

    @contextmanager
    def _without_jobs(self) -> Iterator[None]:
        """Let the workers end after the job that each is at, and start them again afterwards."""
        slots = [slot for slot in self.runit.slots if slot.startswith(_JOBS) and self.runit.is_wanted(slot)]
        for slot in slots:
            self.runit.down(slot)
        for slot in slots:
            self.runit.free(slot, _JOB_LIMIT)
        try:
            yield
        finally:
            for slot in slots:
                self.runit.up(slot)


def _is_answered(path: Path) -> bool:
    try:
        dial(path).close()
    except OSError:
        return False
    return True

"""runit, which keeps processes running: one folder per service, spoken to through the pipes that `runsv` makes there.

A service is wanted up or down; that is in its folder too (`down`), so a restarted supervisor brings up what ran before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.supervise import logs
from estiba.errors import DeployError
from estiba.process import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.systemd import Unit

LOG_BYTES: Final = 4_000_000
LOG_FILES: Final = 10

_LOGGER: Final = "roots/supervisor/bin/svlogd"
_STATUS_SIZE: Final = 20
_TAI: Final = 4611686018427387914
"""What a TAI64 label adds to the seconds of Unix time."""

_STATES: Final = ("down", "up", "finishing")
_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0
_PATIENCE: Final = 0.05
_START_LIMIT: Final = 10.0
_LINES: Final = 60
"""Enough for the traceback of a process and for that of the one that had started it."""
_LAST_WORDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How a service is doing: `up`, `down` or `finishing`, whether it is wanted up, its process, and since when."""

    state: str
    is_wanted: bool
    pid: int
    since: float

    @classmethod
    def parse(cls, data: bytes) -> Status:
        """Read runit's status file (runit's `sv.c`): a TAI64N label, the process, and flags."""
        return cls(
            state=_STATES[data[19]],
            is_wanted=data[17:18] == b"u",
            pid=int.from_bytes(data[12:16], "little"),
            since=int.from_bytes(data[:8], "big") - _TAI + int.from_bytes(data[8:12], "big") / 1e9,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Runit:
    """The supervisor of one target.

    Attributes:
        folder: The target's folder.
        slots: Names of all services that there may ever be.
        systemd: What starts it where systemd can, or None.
    """

    folder: StateFolder
    slots: Sequence[str]
    systemd: Unit | None = None

    @property
    def services(self) -> Path:
        """The folder with one folder per service."""
        return self.folder.path / "services"

    def install(self, slot: str, program: Mapping[str, Any], *, starter: Path) -> None:
        """Write down what a service runs from its next start on.

        Args:
            slot: The service.
            program: What the starter reads.
            starter: The program that starts it.
        """
        log = self.folder.path / "logs" / slot
        if not (self.services / slot / "supervise").exists():
            # Before the supervisor can see anything to start.
            self.folder.own(self.services / slot)
            (self.services / slot / "down").touch()
        for place in (self.services / slot, self.services / slot / "tmp", self.services / slot / "log", log):
            self.folder.own(place)
        self.folder.write_text(log / "config", f"s{LOG_BYTES}\nn{LOG_FILES}\n")
        # That of the supervisor that runs, which the store keeps.
        inside = self.services / slot / "log"
        program_of_log = os.path.relpath(self.folder.path / _LOGGER, inside)
        logger = {"argv": [program_of_log, "-tt", os.path.relpath(log, inside)]}
        for place, content in ((self.services / slot / "log", {**logger, "env": {}}), (self.services / slot, program)):
            self.folder.write(place / "program.json", content)
            self.folder.link(place / "run", starter)
        self.folder.link(self.services / slot / "finish", starter)

    def install_all(self, *, starter: Path) -> None:
        """Make all folders, so that a service that is used for the first time is looked after at once."""
        for slot in self.slots:
            program = self.installed(slot) or {"argv": [], "env": {}}
            place = self.services / slot / "run"
            own = place.readlink() if place.is_symlink() and place.exists() else starter
            self.install(slot, program, starter=own)

    def installed(self, slot: str) -> dict[str, Any]:
        """Return what a service is set to run, empty for one that never was."""
        return self.folder.read(self.services / slot / "program.json")

    def running(self, slot: str) -> dict[str, Any]:
        """Return what a service was started with, which may have changed since; empty where that is not known."""
        return self.folder.read(self.services / slot / "started.json")

    def is_alive(self, slot: str) -> bool:
        """Tell whether a service is looked after."""
        try:
            os.close(os.open(self.services / slot / "supervise" / "ok", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    def start(self, runit: Path) -> None:
        """Start the supervisor unless it runs, and wait until it looks after every service.

        Raises:
            DeployError: It does not.
        """
        if self._is_complete():
            return
        if self.systemd and self.systemd.start():
            if _wait(self._is_complete, _START_LIMIT):
                return
            self.systemd.stop()
        output = self.folder.path / "logs" / "supervisor.log"
        # One that runs starts by itself what it has lost; two of them would be in each other's way.
        if not self._find():
            argv = [f"{runit}/bin/runsvdir", "-P", "."]
            env = {"PATH": f"{runit}/bin"}
            spawn(argv, env=env, cwd=self.services, output=output, user=self.folder.user)
        if not _wait(self._is_complete, _START_LIMIT):
            said = output.read_text(errors="replace")[-2000:] if output.exists() else ""
            msg = f"the supervisor does not start:\n{said}"
            raise DeployError(msg)

    def stop(self, limit: float) -> None:
        """End the supervisor and what still runs under it.

        Raises:
            DeployError: Something does not end.
        """
        if self.systemd:
            self.systemd.stop()
        for pid in self._find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        for slot in self.slots:
            self._send(slot, "x")
        if not _wait(lambda: not any(self.is_alive(slot) for slot in self.slots), limit):
            left = ", ".join(slot for slot in self.slots if self.is_alive(slot))
            msg = f"{left} did not end within {limit:g} seconds"
            raise DeployError(msg, hint="invoke status names the processes; then run this again")

    def up(self, slot: str) -> None:
        """Want a service up."""
        (self.services / slot / "down").unlink(missing_ok=True)
        (self.services / slot / "exit.json").unlink(missing_ok=True)
        self._send(slot, "u")

    def down(self, slot: str, *, also: str = "") -> None:
        """Want a service down; it is asked to end with SIGTERM, and with the signals that `also` names by letters."""
        if (self.services / slot).exists():
            (self.services / slot / "down").touch()
            self._send(slot, f"d{also}")

    def signal(self, slot: str, letter: str) -> None:
        """Send a service one signal: `h` for SIGHUP, `k` for SIGKILL, and so on."""
        self._send(slot, letter)

    def restart(self, endings: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, float]:
        """Make services that run end, all at once, and return when each was started again.

        They are wanted up all the time, so they start again even if nobody waits for it.

        Args:
            endings: For each service the signals to send it, as for `signal`, each with the seconds that it may take.

        Raises:
            DeployError: One of them does not end.
        """
        pids = {slot: status.pid for slot in endings if (status := self.status(slot))}
        for slot, ((letter, _), *_) in endings.items():
            self._send(slot, letter)
        return {slot: self._await_next(slot, pids.get(slot, 0), ending) for slot, ending in endings.items()}

    def status(self, slot: str) -> Status | None:
        """Return how a service is doing, or None where nobody looks after it."""
        if not self.is_alive(slot):
            return None
        data = (self.services / slot / "supervise" / "status").read_bytes()
        return Status.parse(data) if len(data) == _STATUS_SIZE else None

    def is_up(self, slot: str) -> bool:
        """Tell whether a service runs."""
        status = self.status(slot)
        return status is not None and status.state == "up"

    def has_ended(self, slot: str, since: float = 0.0) -> str:
        """Return how a service ended since it was wanted up, or since a time, or an empty string while it has not."""
        end = self.folder.read(self.services / slot / "exit.json")
        if not end or end["time"] < since:
            return ""
        return f"ended with {end['code']}" if end["code"] >= 0 else f"was ended by signal {end['signal']}"

    def wait_down(self, slot: str, limit: float) -> bool:
        """Wait until a service has ended; tell whether it did within the seconds."""
        return _wait(lambda: (status := self.status(slot)) is None or status.state == "down", limit)

    def is_wanted(self, slot: str) -> bool:
        """Tell whether a service is looked after and wanted up."""
        status = self.status(slot)
        return status is not None and status.is_wanted

    def free(self, slot: str, limit: float) -> None:
        """Wait until a service has ended that was asked to; end it for good where it takes longer than the seconds."""
        self.down(slot)
        if not self.wait_down(slot, limit):
            self.signal(slot, "k")
            self.wait_down(slot, limit)

    def wait_ready(self, slot: str, is_ready: Callable[[], bool], limit: float, *, since: float = 0.0) -> None:
        """Wait until a service that was started is ready.

        Args:
            slot: The service.
            is_ready: Tells whether it is.
            limit: Seconds that it may take.
            since: When it was started; an earlier end is another run's.

        Raises:
            DeployError: It ended, or it is not ready in time; with what it logged.
        """
        began = logs.stamp()
        for _ in until(limit):
            if is_ready():
                return
            if ended := self.has_ended(slot, since):
                # The logger may still be at the last words.
                time.sleep(_LAST_WORDS)
                msg = f"{slot} {ended} instead of starting:\n{self._words(slot, began)}"
                raise DeployError(msg)
        msg = f"{slot} is not ready after {limit:g} seconds:\n{self._words(slot, began)}"
        raise DeployError(msg)

    def _is_complete(self) -> bool:
        """Tell whether every service is looked after."""
        return all(self.is_alive(slot) for slot in self.slots)

    def _words(self, slot: str, began: str) -> str:
        """Return the last lines that a service has logged since it was started."""
        found = logs.tail(self.folder.path / "logs", [slot], _LINES)
        return "\n".join(line for line in found if line >= began)

    def _await_next(self, slot: str, pid: int, ending: Sequence[tuple[str, float]]) -> float:
        for number, (letter, limit) in enumerate(ending):
            if number:
                self._send(slot, letter)
            for _ in until(limit):
                status = self.status(slot)
                if status and status.state == "up" and status.pid != pid:
                    return status.since
        msg = f"{slot} (process {pid}) does not end"
        raise DeployError(msg)

    def _send(self, slot: str, letters: str) -> None:
        """Tell `runsv`; where it is gone, also between the opening and the writing, there is nothing to tell."""
        with contextlib.suppress(OSError):
            pipe = os.open(self.services / slot / "supervise" / "control", os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(pipe, letters.encode())
            finally:
                os.close(pipe)

    def _find(self) -> list[int]:
        """Return the supervisors of this folder, however they were started, by where they work."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if b"runsvdir" in (process / "cmdline").read_bytes() and (process / "cwd").samefile(self.services):
                    found.append(int(process.name))
        return found


def until(limit: float) -> Iterator[float]:
    """Yield the seconds left again and again, until they are over.

    The pauses grow with the time, to a second: nothing is waited for a twentieth longer than it takes, and what is
    asked again and again does not fill its log with the answers.
    """
    began = time.monotonic()
    while (left := began + limit - time.monotonic()) > 0:
        yield left
        time.sleep(min(max((limit - left) * _PATIENCE, _PAUSE), _LONGEST_PAUSE))


def _wait(is_done: Any, limit: float) -> bool:  # noqa: ANN401 - a function without arguments
    return any(is_done() for _ in until(limit)) or bool(is_done())

"""runit, the process supervisor: one service directory per service, controlled through the pipes of runsv(8).

Whether a service is wanted up is also in its directory, as the file `down`, so a restarted supervisor starts what ran
before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.deploy.host.state import users
from estiba.deploy.host.supervise import logs
from estiba.deploy.host.supervise.status import SIZE, Status
from estiba.errors import DeployError
from estiba.process import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.deploy.host.state.folder import StateFolder
    from estiba.deploy.host.supervise.systemd import Unit

LOG_BYTES: Final = 4_000_000
LOG_FILES: Final = 10
GRACE: Final = 40.0
"""Seconds that a process may take to end, unless its description says otherwise."""

_LOGGER: Final = "roots/supervisor/bin/svlogd"
_PAUSE: Final = 0.02
_MAX_PAUSE: Final = 1.0
_BACKOFF: Final = 0.05
_START_LIMIT: Final = 10.0
_DISMISSAL_LIMIT: Final = 60.0
_LINES: Final = 40
"""Lines of log in an error, of ten times as many: a page that fails may leave several long tracebacks."""

_LOGGER_DELAY: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Runit:
    """Supervisor of one target.

    Attributes:
        folder: State folder of the target.
        names: Names of all services that there may ever be.
        systemd: systemd unit that runs the supervisor where possible, or None.
    """

    folder: StateFolder
    names: Sequence[str]
    systemd: Unit | None = None

    @property
    def services(self) -> Path:
        """Folder of the service directories."""
        return self.folder.path / "services"

    def install(self, service: str, program: Mapping[str, Any], *, starter: Path) -> None:
        """Write the service directory; a running process keeps its program until its next start.

        Args:
            service: Name of the service.
            program: Program description, see `estiba.deploy.host.supervise.program`.
            starter: Program that runs it, see `HostClosure.starter`.
        """
        directory, log = self.services / service, self.folder.path / "logs" / service
        is_new = not (directory / "supervise").exists()
        self.folder.open_up(directory)
        if is_new:
            # First of all, since runsvdir starts whatever it finds without this file.
            (directory / "down").touch()
        logger_user = self.folder.user(users.LOG)
        self.folder.open_up(directory / "log")
        # svlogd opens the folder that it is started in.
        (directory / "log").chmod(0o755)
        self.folder.own(directory / "tmp", program.get("user"))
        self.folder.own(log, logger_user)
        self.folder.write_text(log / "config", f"s{LOG_BYTES}\nn{LOG_FILES}\n", mode=0o644)
        # svlogd of the running supervisor, which has a garbage collector root; that of the release may be collected.
        svlogd = os.path.relpath(self.folder.path / _LOGGER, directory / "log")
        logger: dict[str, Any] = {"argv": [svlogd, "-tt", os.path.relpath(log, directory / "log")], "env": {}}
        if logger_user is not None:
            logger["user"] = logger_user
        for path, content in ((directory / "log", logger), (directory, program)):
            self.folder.write(path / "program.json", content)
            self.folder.link(path / "run", starter)
        self.folder.link(directory / "finish", starter)

    def install_all(self, *, starter: Path) -> None:
        """Create all service directories at once: runsvdir looks for new ones every five seconds only."""
        for service in self.names:
            program = self.installed(service) or {"argv": [], "env": {}}
            run = self.services / service / "run"
            own = run.readlink() if run.is_symlink() and run.exists() else starter
            self.install(service, program, starter=own)

    def installed(self, service: str) -> dict[str, Any]:
        """Return the program description that a service starts with next, empty before the first installation."""
        return self.folder.read_state(self.services / service / "program.json")

    def running(self, service: str) -> dict[str, Any]:
        """Return the program description that a service was last started with, empty if it never was."""
        return self.folder.read_state(self.services / service / "started.json")

    def is_supervised(self, service: str) -> bool:
        """Return whether runsv runs for a service."""
        # As runit's sv does: opening the pipe for writing fails with ENXIO if no runsv reads from it.
        try:
            os.close(os.open(self.services / service / "supervise" / "ok", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    def start(self, runit: Path) -> None:
        """Start the supervisor unless it runs, and wait until every service has its runsv.

        Args:
            runit: Store path of runit.

        Raises:
            DeployError: The supervisor does not start.
        """
        if self.is_alone:
            self.dismiss(_DISMISSAL_LIMIT)
            # How they ended says nothing about their next start.
            for service in self.names:
                (self.services / service / "exit.json").unlink(missing_ok=True)
        if self._is_complete():
            return
        if self.systemd and self.systemd.start():
            if _wait(self._is_complete, _START_LIMIT):
                return
            self.systemd.stop()
        output = self.folder.path / "logs" / "supervisor.log"
        # A running runsvdir restarts a lost runsv by itself; a second one would compete with it for the services.
        if not self._find():
            argv = [f"{runit}/bin/runsvdir", "-P", str(self.services)]
            env = {"PATH": f"{runit}/bin"}
            spawn(argv, env=env, cwd=self.services, output=output)
        if not _wait(self._is_complete, _START_LIMIT):
            said = output.read_text(errors="replace")[-2000:] if output.exists() else ""
            msg = f"the supervisor does not start:\n{said}"
            raise DeployError(msg)

    def stop(self, limit: float) -> None:
        """Stop the supervisor and all services.

        Args:
            limit: Time limit in seconds.

        Raises:
            DeployError: A service does not end.
        """
        self._end_supervisor(limit)
        for service in self.names:
            self._send(service, "x")
        self._await_ends(limit)

    def dismiss(self, limit: float) -> None:
        """Stop the supervisor, which tells each runsv to end its service and itself; writes nothing to the folders.

        What is wanted up stays so, and is up again after `start`.

        Args:
            limit: Time limit in seconds.

        Raises:
            DeployError: A service does not end.
        """
        if not self._find():
            # It was killed, so nobody tells them. A second SIGTERM would be one too many for a worker.
            for service in self.names:
                self._send(service, "x")
        self._end_supervisor(limit)
        self._await_ends(limit)

    @property
    def is_running(self) -> bool:
        """Whether the supervisor runs."""
        return bool(self._find())

    @property
    def is_alone(self) -> bool:
        """Whether processes are left of a supervisor that was killed: nobody restarts what restarts them."""
        return not self.is_running and any(self.is_supervised(service) for service in self.names)

    def _end_supervisor(self, limit: float) -> None:
        # The unit first: systemd would restart a supervisor that ends by itself.
        if self.systemd:
            self.systemd.stop()
        for pid in self._find():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)
        # One that still runs would start again what is told to exit next.
        if not _wait(lambda: not self._find(), limit):
            msg = f"the supervisor did not end within {limit:g} seconds"
            raise DeployError(msg, hint="run the command again")

    def _await_ends(self, limit: float) -> None:
        if not _wait(lambda: not any(self.is_supervised(service) for service in self.names), limit):
            left = ", ".join(service for service in self.names if self.is_supervised(service))
            msg = f"{left} did not end within {limit:g} seconds"
            raise DeployError(msg, hint="invoke status names the processes; then run this again")

    def up(self, service: str) -> None:
        """Start a service, and restart it whenever it ends."""
        (self.services / service / "down").unlink(missing_ok=True)
        (self.services / service / "exit.json").unlink(missing_ok=True)
        self._send(service, "u")

    def down(self, service: str, *, also: str = "") -> None:
        """Stop a service with SIGTERM, without waiting for it.

        Args:
            service: Name of the service.
            also: Further control characters of runsv(8), such as `k` for SIGKILL.
        """
        if (self.services / service).exists():
            # The file first: a supervisor that is restarted in between does not start the service again.
            (self.services / service / "down").touch()
            self._send(service, f"d{also}")

    def signal(self, service: str, letter: str) -> None:
        """Send a signal to a service by its control character of runsv(8): `h` for SIGHUP, `k` for SIGKILL."""
        self._send(service, letter)

    def restart(self, endings: Mapping[str, Sequence[tuple[str, float]]]) -> dict[str, float]:
        """Restart running services in parallel, and return the start time of each, in seconds since the epoch.

        They stay wanted up, so the supervisor starts them again even if this process is killed.

        Args:
            endings: For each service the signals to try in order, as for `signal`, each with its time limit in seconds.

        Raises:
            DeployError: A service does not end.
        """
        pids = {service: status.pid for service in endings if (status := self.status(service))}
        for service, ((letter, _), *_) in endings.items():
            self._send(service, letter)
        return {
            service: self._await_restart(service, pids.get(service, 0), ending) for service, ending in endings.items()
        }

    def status(self, service: str) -> Status | None:
        """Return the state of a service, or None without a supervisor."""
        if not self.is_supervised(service):
            return None
        data = (self.services / service / "supervise" / "status").read_bytes()
        return Status.parse(data) if len(data) == SIZE else None

    def is_up(self, service: str) -> bool:
        """Return whether a service runs."""
        status = self.status(service)
        return status is not None and status.state == "up"

    def has_ended(self, service: str, since: float = 0.0) -> str:
        """Return how a service ended since its last `up`, or an empty string if it has not.

        Args:
            service: Name of the service.
            since: Time in seconds since the epoch; an earlier end is ignored.
        """
        end = self.folder.read_state(self.services / service / "exit.json")
        if not end or end["time"] < since:
            return ""
        return f"ended with {end['code']}" if end["code"] >= 0 else f"was ended by signal {end['signal']}"

    def wait_down(self, service: str, limit: float) -> bool:
        """Wait until a service is down, and return whether it is within a time limit in seconds."""
        return _wait(lambda: (status := self.status(service)) is None or status.state == "down", limit)

    def is_wanted(self, service: str) -> bool:
        """Return whether a service has a supervisor and is wanted up."""
        status = self.status(service)
        return status is not None and status.is_wanted

    def grace(self, service: str) -> float:
        """Return the seconds that a service may take to end, by the description that it was started with."""
        return float(self.running(service).get("grace", GRACE))

    def end(self, service: str) -> None:
        """Stop a service and wait for it; SIGKILL follows after its time is over."""
        limit = self.grace(service)
        # One that ends already gets no second signal: an RQ worker takes that for the order to drop its job.
        if self.is_wanted(service) or not self.is_supervised(service):
            self.down(service)
        if not self.wait_down(service, limit):
            self.signal(service, "k")
            self.wait_down(service, limit)

    def wait_ready(self, service: str, is_ready: Callable[[], bool], limit: float, *, since: float = 0.0) -> None:
        """Wait until a service is ready after its start.

        Args:
            service: Name of the service.
            is_ready: Readiness check.
            limit: Time limit in seconds.
            since: Start time in seconds since the epoch; an earlier end belongs to another run.

        Raises:
            DeployError: The service ended, or is not ready in time; the message has its last lines of log.
        """
        began = logs.stamp()
        for _ in until(limit):
            if is_ready():
                return
            self.check_up(service, since=since, began=began)
        msg = f"{service} is not ready after {limit:g} seconds:\n{self.said(service, began)}"
        raise DeployError(msg)

    def check_up(self, service: str, *, since: float = 0.0, began: str = "") -> None:
        """Check that a service has not ended since its last `up`.

        Args:
            service: Name of the service.
            since: Time in seconds since the epoch; an earlier end is ignored.
            began: Stamp of the first line of log that belongs to an error; empty for the last lines.

        Raises:
            DeployError: It has ended; the message has its last lines of log.
        """
        if ended := self.has_ended(service, since):
            # svlogd may not have written the last lines yet.
            time.sleep(_LOGGER_DELAY)
            msg = f"{service} {ended} instead of starting:\n{self.said(service, began)}"
            raise DeployError(msg)

    def _is_complete(self) -> bool:
        """Return whether every service has its runsv."""
        return all(self.is_supervised(service) for service in self.names)

    def said(self, service: str, began: str) -> str:
        """Return the last lines that a service has logged since a timestamp, see `logs.stamp`."""
        found = logs.tail(self.folder.path / "logs", [service], 10 * _LINES)
        return "\n".join(logs.cut_tracebacks([line for line in found if line >= began])[-_LINES:])

    def _await_restart(self, service: str, pid: int, ending: Sequence[tuple[str, float]]) -> float:
        for number, (letter, limit) in enumerate(ending):
            if number:
                self._send(service, letter)
            for _ in until(limit):
                status = self.status(service)
                if status and status.state == "up" and status.pid != pid:
                    return status.since
        msg = f"{service} (process {pid}) does not end"
        raise DeployError(msg)

    def _send(self, service: str, letters: str) -> None:
        """Write control characters to runsv; one that has ended, even between open and write, is no error."""
        with contextlib.suppress(OSError):
            pipe = os.open(
                self.services / service / "supervise" / "control", os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW
            )
            try:
                os.write(pipe, letters.encode())
            finally:
                os.close(pipe)

    def _find(self) -> list[int]:
        """Return the process IDs of this folder's supervisors."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "comm").read_text().strip() == "runsvdir" and _works_in(process, self.services):
                    found.append(int(process.name))
        return found


def _works_in(process: Path, folder: Path) -> bool:
    """Return whether a process, named by its folder in /proc, works in a folder."""
    try:
        return (process / "cwd").samefile(folder)
    except PermissionError:
        # In another user namespace, as ./nixw makes one for each command where the store is the user's own.
        words = (process / "cmdline").read_bytes().split(b"\0")
        return process.stat().st_uid == os.geteuid() and os.fsencode(folder) in words


def until(limit: float) -> Iterator[float]:
    """Yield the seconds left, with pauses, until a time limit in seconds has passed.

    The pauses are a twentieth of the time passed, between 20 ms and 1 s: short waits end promptly, and a health check
    that is polled for long does not fill the log of what it asks.
    """
    began = time.monotonic()
    while (left := began + limit - time.monotonic()) > 0:
        yield left
        time.sleep(min(max((limit - left) * _BACKOFF, _PAUSE), _MAX_PAUSE))


def _wait(is_done: Any, limit: float) -> bool:  # noqa: ANN401 - a function without arguments
    return any(is_done() for _ in until(limit)) or bool(is_done())

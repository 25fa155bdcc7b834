"""Processes of a release beside its web server: workers, schedulers, and others that the service names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from estiba.deploy.host.servers.lifecycle import SERVERS
from estiba.deploy.host.supervise import logs, starter
from estiba.deploy.host.supervise.runit import until
from estiba.errors import DeployError
from estiba.service.processes import WEB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.host.supervise.program import Programs
    from estiba.service.processes import Process

_SETTLE: Final = 3.0
"""Seconds that a process without a readiness check has to run."""

_CHECK_LIMIT: Final = 30.0


def start(processes: Processes, revision: Revision, programs: Programs, before: Revision | None) -> None:
    """Start the workers of a release, after the previous one's were asked to end.

    Args:
        processes: Processes of the target.
        revision: Revision of the release.
        programs: Programs of the release.
        before: Revision whose workers may still run, or None.
    """
    wanted = _of(revision)
    ended = [*_of(before)] if before and before.slot != revision.slot else []
    for service in [*ended, *(one for one in _in_slot(processes, revision.slot) if one not in wanted)]:
        if not service.startswith(f"{WEB}-"):
            processes.runit.down(service)
    for service, process in wanted.items():
        if process.is_singleton:
            for other in ended:
                if other.startswith(f"{process.name}-"):
                    processes.runit.end(other)
        _start(processes, service, process, programs)


def check(processes: Processes, revision: Revision, programs: Programs) -> None:
    """Wait until the workers of a release are ready, those that its table of processes describes.

    Raises:
        DeployError: One has ended, or is not ready in time; the message has its last lines of log.
    """
    described = {service: one for service, one in _of(revision).items() if one.command or one.ready_command}
    for service, process in described.items():
        if process.ready_command:
            _await(processes, service, process, programs)
    if any(not process.ready_command for process in described.values()):
        for _ in until(_SETTLE):
            for service in described:
                processes.runit.check_up(service)


def end(processes: Processes, revision: Revision) -> None:
    """Ask all processes of a release to end; they finish their requests and the current job first."""
    for service in _in_slot(processes, revision.slot):
        processes.runit.down(service)


def _of(revision: Revision) -> dict[str, Process]:
    """Return a revision's services but for the web server's."""
    services = revision.closure.services(revision.slot)
    return {service: process for service, process in services.items() if process.name != WEB}


def _in_slot(processes: Processes, slot: str) -> Iterator[str]:
    yield from (one for one in processes.services if one not in SERVERS and one.endswith(f"-{slot}"))


def _start(processes: Processes, service: str, process: Process, programs: Programs) -> None:
    program = programs.worker(processes.runit.services / service, process)
    # A worker with the same program that still finishes its last job needs no wait: runit starts it again.
    if processes.runit.installed(service) != program:
        processes.runit.end(service)
        processes.runit.install(service, program, starter=starter.find(processes.folder, programs.closure))
    processes.runit.up(service)


def _await(processes: Processes, service: str, process: Process, programs: Programs) -> None:
    limit, began = processes.settings.ready_limit, logs.stamp()
    answer = ""
    for _ in until(limit):
        processes.runit.check_up(service)
        ran = processes.command(programs, ["ready", process.name], limit=_CHECK_LIMIT, name=f"{process.name}-ready")
        if ran.has_passed:
            return
        answer = ran.tail()
    raise DeployError(explain(service, process, limit, answer=answer, said=processes.runit.said(service, began)))


def explain(service: str, process: Process, limit: float, *, answer: str, said: str) -> str:
    """Return why a process is not ready: the last line of its check, where a traceback has its cause, and its own log.

    Args:
        service: Name of its service.
        process: The process.
        limit: Seconds that were waited.
        answer: Last lines of the check.
        said: Last lines of the process, which often knows more: what it cannot reach, and where.
    """
    cause = answer.rpartition("\n")[2]
    return f"{service} is not ready after {limit:g} seconds: {' '.join(process.ready_command)} says {cause}\n{said}"

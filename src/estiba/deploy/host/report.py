"""Report of a target: the release that is served, its processes, and notes on what a killed command has left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.rollout import Step
from estiba.deploy.host.servers.lifecycle import SERVERS
from estiba.deploy.host.state import target_lock
from estiba.deploy.target import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision, RevisionStore
    from estiba.deploy.host.supervise.program import Programs
    from estiba.deploy.host.supervise.runit import Runit
    from estiba.deploy.logbook import Logbook, Record

_RECENT: Final = 60.0
"""Seconds after which a process that had ended runs well."""


def workloads(processes: Processes, current: Revision | None) -> Iterator[Workload]:
    """Yield the processes that should run, and others that still do."""
    wanted = set(SERVERS) if current else set()
    if current:
        wanted |= {*current.closure.services(current.slot)}
    for service in processes.services:
        status = processes.runit.status(service)
        if service in wanted or (status and status.state != "down"):
            # A process of another revision that is still up finishes its requests or its job.
            state = status.state if status else "down"
            yield Workload(
                name=service,
                state=state if service in wanted or state != "up" else "finishing",
                seconds=max(0, int(time.time() - status.since)) if status else 0,
            )


def pids(processes: Processes) -> dict[str, int]:
    """Return the process ids of what runs, by service."""
    states = {service: processes.runit.status(service) for service in processes.services}
    return {service: status.pid for service, status in states.items() if status and status.pid}


def is_complete(processes: Processes, current: Revision) -> bool:
    """Return whether all processes that should run do, and something restarts those that end."""
    states = {one.name: one.state for one in workloads(processes, current)}
    return "down" not in states.values() and processes.runit.is_running


def notes(processes: Processes, logbook: Logbook, programs: Programs | None) -> Iterator[str]:
    """Yield what an operator has to know.

    Args:
        processes: Processes of the target.
        logbook: Logbook of the target.
        programs: Programs of the servers of the release that is served, or None.
    """
    interrupted = logbook.interrupted()
    if target_lock.is_held(processes.folder):
        yield f"{interrupted.user} runs {interrupted.command} here" if interrupted else "a command runs here"
    elif interrupted:
        yield f"{explain(interrupted, processes.revisions)}; the next deploy or rollback repairs what is left of it"
    if processes.runit.is_alone:
        yield "the supervisor was killed, so what ends is not started again; the next deploy starts all anew"
    yield from find_restarts(processes.runit, time.time())
    if programs and (names := processes.servers.changed(programs)):
        yield f"{', '.join(names)} run as another release's; the next deploy restarts them"


def find_restarts(runit: Runit, now: float) -> Iterator[str]:
    """Yield a sentence for each process that should run, and that ended a moment ago, as one does again and again.

    Args:
        runit: Supervisor of the processes.
        now: Time in seconds since the epoch.
    """
    for service in filter(runit.is_wanted, runit.names):
        if ended := runit.has_ended(service, now - _RECENT):
            yield f"{service} {ended} less than a minute ago, and was started again: invoke logs says why"


def explain(record: Record, revisions: RevisionStore) -> str:
    """Return a sentence about a command that was killed: its last step, and the release that is served."""
    step = next((step.value for step in Step if step.name == record.step.upper()), "beginning")
    current = revisions.current()
    if current is None:
        outcome = "nothing is served"
    elif current.number == record.number:
        outcome = f"its release {current.number} is served"
    else:
        outcome = f"release {current.number} is served as before"
    return f"{record.command} by {record.user} was interrupted while {step}; {outcome}"

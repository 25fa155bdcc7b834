"""What every kind of target can do, and the values that it answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.deploy.host.supervise.oneshot import Finished
    from estiba.deploy.logbook import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process of a target: its name, `up`, `down` or otherwise, its id, and for how many seconds."""

    name: str
    state: str
    pid: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a target is doing.

    Attributes:
        target: Its name.
        service: The service's name; empty before the first deployment.
        is_ready: Whether the service says that it is ready.
        release: Number, digest, version, revision and generation of what is served; empty without one.
        processes: What runs, and what should.
        urls: Where it answers, by name.
        last: The last line of the logbook, or None.
        notes: What somebody should know or do.
    """

    target: str
    service: str
    is_ready: bool
    release: Mapping[str, Any]
    processes: tuple[Process, ...]
    urls: Mapping[str, str]
    last: Record | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke status --json` prints."""
        return {
            "last": self.last.to_dict() if self.last else None,
            "notes": list(self.notes),
            "processes": [
                {"name": one.name, "pid": one.pid, "seconds": one.seconds, "state": one.state} for one in self.processes
            ],
            "ready": self.is_ready,
            "release": dict(self.release),
            "service": self.service,
            "target": self.target,
            "urls": dict(self.urls),
        }


class Target(Protocol):
    """A place that releases of one service are deployed to."""

    def deploy(self, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """Build the service as it is now and serve it; take it back where it does not work.

        Args:
            tell: Gets what is happening.
            contract: Whether migrations may take away what the release before needs.

        Raises:
            BuildError: It cannot be built; nothing was changed.
            BusyError: Another command works on the target.
            DeployError: The release did not work, and the one before is served.
            TargetError: The target is not fit; nothing was changed.
        """
        ...

    def rollback(self, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """Serve again what was served before.

        Args:
            tell: Gets what is happening.
            contract: Whether it may be a release from which migrations have taken away what it needs.

        Raises:
            BusyError: Another command works on the target.
            DeployError: It did not work, there is none, or it has lost what it needs.
        """
        ...

    def down(self, *, tell: Callable[[str], None]) -> Record:
        """End all processes; data and releases stay.

        Raises:
            BusyError: Another command works on the target.
        """
        ...

    def manage(self, words: Sequence[str]) -> Finished:
        """Run a management command of the release that is served, to its end.

        Args:
            words: The command with its arguments.

        Raises:
            BusyError: Another command works on the target.
            DeployError: Nothing is served.
        """
        ...

    def status(self) -> Report:
        """Return how the target is doing."""
        ...

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """Yield the last lines of the logs, in the order of time, and those that come if `follow` is set.

        Args:
            tail: How many.
            process: Of one process only, by the start of its name.
            follow: Go on.
        """
        ...

    def urls(self) -> dict[str, str]:
        """Return where the service answers, by name: `page`, and `ready` where it has such a page.

        Raises:
            DeployError: Nothing was deployed yet.
        """
        ...

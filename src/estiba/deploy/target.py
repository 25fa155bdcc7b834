"""What every kind of target can do, and the values that it answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from estiba.deploy.logbook import Record
    from estiba.release_manifest import Contents, ReleaseManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A process, or a group of equal ones, that a release runs.

    Attributes:
        name: Its name.
        state: `up`, `down` or otherwise.
        seconds: For how long it has been in that state.
    """

    name: str
    state: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a target serves.

    Attributes:
        number: Counts what was served on this target, forwards and backwards.
        digest: Of what was deployed.
        version: The service's version.
        commit: The commit, or an empty string.
    """

    number: int
    digest: str
    version: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a target is doing.

    Attributes:
        target: Its name.
        kind: Its kind.
        service: The service's name; empty before the first deployment.
        is_ready: Whether the service says that it is ready.
        release: What is served, or None.
        workloads: What runs, and what should.
        addresses: Where it answers, by name.
        last: The last record of the logbook, or None.
        notes: What somebody should know or do.
        details: What only this kind of target has, as JSON has it.
    """

    target: str
    kind: str
    service: str
    is_ready: bool
    release: Release | None
    workloads: tuple[Workload, ...]
    addresses: Mapping[str, str]
    last: Record | None
    notes: tuple[str, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return what `invoke status --json` prints."""
        release = self.release
        return {
            "details": dict(self.details),
            "kind": self.kind,
            "last": self.last.to_dict() if self.last else None,
            "notes": list(self.notes),
            "ready": self.is_ready,
            "release": {
                "digest": release.digest,
                "number": release.number,
                "revision": release.commit,
                "version": release.version,
            }
            if release
            else {},
            "service": self.service,
            "target": self.target,
            "urls": dict(self.addresses),
            "workloads": [{"name": one.name, "seconds": one.seconds, "state": one.state} for one in self.workloads],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A command that ran to its end: its exit code, or None past its time limit, and what it printed."""

    code: int | None
    output: str

    @property
    def has_passed(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0

    def tail(self, lines: int = 20) -> str:
        """Return the end of what it printed."""
        return "\n".join(self.output.splitlines()[-lines:])


class Target(Protocol):
    """A place that releases of one service are deployed to; `estiba.deploy.targets` makes them from their settings."""

    @property
    def contents(self) -> Contents:
        """What of a release it takes."""
        ...

    def deploy(self, manifest: ReleaseManifest, *, tell: Callable[[str], None], contract: bool = False) -> Record:
        """Serve a release that is built; take it back where it does not work.

        Args:
            manifest: The release.
            tell: Gets what is happening.
            contract: Whether migrations may take away what the release before needs.

        Raises:
            BusyError: Another command works on the target.
            DeployError: The release did not work, and the one before is served.
            TargetError: The target is not fit, or the release has nothing for its kind; nothing was changed.
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

    def addresses(self) -> dict[str, str]:
        """Return where the service answers, by name: `page`, and `ready` where it has such a page.

        Raises:
            DeployError: Nothing was deployed yet.
        """
        ...

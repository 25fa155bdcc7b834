"""The `Target` protocol, which every kind of target implements, and the values that it returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from estiba.deploy.logbook import Record
    from estiba.release_manifest import Contents, ReleaseManifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Process, or group of identical processes, that belongs to a release.

    Attributes:
        name: Name, such as `web`.
        state: `up`, `down`, or another state of the target's kind.
        seconds: Seconds since it entered that state.
    """

    name: str
    state: str
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Release that a target serves.

    Attributes:
        number: Revision number; each deploy and each rollback on this target takes a higher one.
        digest: Digest of the release's content for this kind of target.
        version: Version of the service.
        commit: Commit that the release was built from, or an empty string.
    """

    number: int
    digest: str
    version: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """State of a target at one moment.

    Attributes:
        target: Name of the target.
        kind: Kind of the target, a key of `estiba.deploy.targets.KINDS`.
        service: Name of the service; empty before the first deployment.
        is_ready: Whether the readiness check passes.
        release: Release that is served, or None.
        left: Release that a failed or killed command has left beside it, or in its place, or None; `Target.rollback`
            returns from it to `release`.
        workloads: Processes that run or should run.
        addresses: URLs of the service by name, see `Target.addresses`.
        last: Last record of the logbook, or None.
        notes: Warnings for the operator.
        details: Further values that only this kind of target has, JSON-serialisable.
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
    left: Release | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that `invoke status --json` prints."""
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
    """Result of a command that has ended.

    Attributes:
        code: Exit code; None where the command was killed at its time limit.
        output: Text of its standard output and standard error.
    """

    code: int | None
    output: str

    @property
    def has_passed(self) -> bool:
        """Whether the exit code is 0."""
        return self.code == 0

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.output.splitlines()[-lines:])


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigration:
    """Migration that a deployment would apply.

    Attributes:
        name: Name as `app.name`.
        contracts: Reasons why the release that is served could not live with it; empty for one that only adds.
        irreversible: Reasons why it cannot be taken back; empty for one that can.
    """

    name: str
    contracts: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"contracts": list(self.contracts), "irreversible": list(self.irreversible), "name": self.name}


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes that a deployment would make to a target.

    Attributes:
        is_pending: Whether there are any.
        before: Release that is served, or None.
        migrations: Migrations that would be applied, in their order.
        diff: Unified diff of what the target runs, without values of secrets; empty where it has no such text.
        commands: Commands that the deployment would run, each an argv, without values of secrets.
        state: What the changes were computed from, by name, such as `revision`; a plan whose `state` differs from
            that of a later call has been overtaken.
    """

    is_pending: bool
    before: Release | None
    migrations: tuple[PlannedMigration, ...] = ()
    diff: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    state: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        names = ("commit", "digest", "number", "version")
        return {
            "before": {name: getattr(self.before, name) for name in names} if self.before else {},
            "commands": [list(argv) for argv in self.commands],
            "diff": self.diff,
            "migrations": [one.to_dict() for one in self.migrations],
            "pending": self.is_pending,
            "state": dict(self.state),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Behaviour of a release over a period, as its logs and its processes show it.

    Attributes:
        requests: Number of requests that were answered.
        failures: Number of those with a status of 500 or more.
        restarts: Number of restarts of processes.
        exceptions: Number of exceptions by their last line, such as `ValueError: no such loan`.
    """

    requests: int
    failures: int
    restarts: int
    exceptions: Mapping[str, int] = field(default_factory=dict)


class Target(Protocol):
    """Deployment target of one service.

    `estiba.deploy.targets.load` creates targets from `[tool.estiba.targets.NAME]`. A new kind implements this protocol
    and gets a line in `estiba.deploy.targets.KINDS`; a release manifest is all that it learns about a build.
    """

    @property
    def contents(self) -> Contents:
        """Contents that a release manifest must have for this target."""
        ...

    @property
    def chart(self) -> Path | None:
        """Folder of the Helm chart that it deploys; None for a target without one."""
        ...

    def deploy(self, manifest: ReleaseManifest, *, on_status: Callable[[str], None], contract: bool = False) -> Record:
        """Roll out a release, and return to the previous one if a step fails.

        Args:
            manifest: Manifest of the release to serve.
            on_status: Callback for progress; called with one line of text per step.
            contract: Allow migrations that remove what the previous release needs.

        Returns:
            The record that was added to the logbook.

        Raises:
            BusyError: The target is locked by another command.
            DeployError: The rollout was refused, or failed before it changed what is served.
            RolledBackError: The rollout failed, and the previous release is served again.
            StrandedError: The rollout failed, and so did the way back, or there is none.
            TargetError: The target cannot take the release; nothing was changed.
        """
        ...

    def plan(self, manifest: ReleaseManifest) -> Changes:
        """Return what `deploy` would change; changes nothing, and works while another command holds the lock.

        Args:
            manifest: Manifest of the release to serve.

        Raises:
            TargetError: The target cannot be reached, or its settings do not fit the release.
        """
        ...

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """Return the reasons why the target could not take a release now, such as lack of room; empty for none.

        Args:
            manifest: Manifest of the release to serve.

        Raises:
            TargetError: The target cannot be reached.
        """
        ...

    def variables(self) -> frozenset[str]:
        """Return the names of the environment variables that the service gets from this target, never the values.

        Raises:
            TargetError: The target cannot be reached.
        """
        ...

    def smoke(self, *, on_status: Callable[[str], None]) -> None:
        """Run the smoke tests on the release that is served.

        Raises:
            DeployError: A test failed, or nothing is served.
        """
        ...

    def observe(self, since: datetime) -> Observation:
        """Return how the release that is served has behaved since a time.

        Args:
            since: Start of the period, with a time zone.

        Raises:
            TargetError: The target cannot be reached, or has no data about the period.
        """
        ...

    def unlock(self) -> str:
        """Take the lock from a command that was killed, and return who held it; empty if nobody did.

        Raises:
            BusyError: The command that holds it may still run.
        """
        ...

    def records(self) -> list[Record]:
        """Return the records of the commands that changed the target, oldest first."""
        ...

    def chain(self) -> list[str] | None:
        """Return all records as lines of a hash chain, see `estiba.deploy.chain`; None for a target without one.

        The target holds it, and not who deploys: it tells what was done where a logbook elsewhere was changed.

        Raises:
            TargetError: The target cannot be reached.
        """
        ...

    def rollback(self, *, on_status: Callable[[str], None], contract: bool = False, to: str = "") -> Record:
        """Roll back to an earlier release: the last one that passed its smoke tests before the current one.

        Where a failed or killed command has left a release that has not passed them, that is the one that was served
        before this command; where there was none, nothing is served afterwards, and the record has no version.

        Args:
            on_status: Callback for progress; called with one line of text per step.
            contract: Roll back even past migrations that removed what that release needs and cannot be taken back.
            to: Version of the release to return to, instead of the last one.

        Returns:
            The record that was added to the logbook.

        Raises:
            BusyError: The target is locked by another command.
            DeployError: There is no such release, migrations removed what it needs, or the rollout failed.
        """
        ...

    def down(self, *, on_status: Callable[[str], None]) -> Record:
        """Stop all processes of the target; data and releases are kept.

        Args:
            on_status: Callback for progress; called with one line of text per step.

        Returns:
            The record that was added to the logbook.

        Raises:
            BusyError: The target is locked by another command.
        """
        ...

    def manage(self, args: Sequence[str]) -> Finished:
        """Run a management command of the release that is served, and wait for it.

        Args:
            args: Name of the command and its arguments, as for `manage.py`.

        Raises:
            BusyError: The target is locked by another command.
            DeployError: No release is served.
        """
        ...

    def attach(self, args: Sequence[str]) -> int:
        """Run a management command of the release that is served on this process's terminal; return its exit code.

        Args:
            args: As for `manage`.

        Raises:
            DeployError: No release is served.
        """
        ...

    def status(self) -> Report:
        """Return the state of the target; works while another command holds the lock."""
        ...

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """Yield lines of the logs, ordered by time.

        Args:
            tail: Number of past lines to yield.
            process: Prefix of the names of the processes whose logs are read; empty for all.
            follow: Go on with new lines until the caller stops iterating.
        """
        ...

    def addresses(self) -> dict[str, str]:
        """Return the URLs of the service by name: `page`, and `ready` if it has a readiness endpoint.

        Raises:
            DeployError: Nothing has been deployed to the target yet.
        """
        ...

"""Target of kind `host` on another machine, which runs every command by itself; see docs/ssh.md."""

from __future__ import annotations

import getpass
import json
import logging
import platform
import sys
import uuid
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from estiba import process as processes
from estiba.deploy.host import checks, environment, settings
from estiba.deploy.ssh import codec, connection, requirements
from estiba.deploy.ssh.connection import Connection
from estiba.deploy.ssh.provision import Server
from estiba.deploy.ssh.session import Session
from estiba.errors import CommandError, ConfigError, TargetError
from estiba.process import run
from estiba.release_manifest import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.logbook import Record
    from estiba.deploy.ssh.requirements import Finding, Requirements
    from estiba.deploy.target import Changes, Finished, Observation, Report
    from estiba.process import Runner
    from estiba.release_manifest import ReleaseManifest
    from estiba.service.project import Project

_WITHOUT_VARIABLES: Final = frozenset({"addresses", "check", "down", "logs", "observe", "records", "status", "unlock"})
"""Methods that need no environment of the service, so that `env-file` may be missing here."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    """Target on another machine; implements `estiba.deploy.target.Target`.

    Attributes:
        project: Settings of the service.
        settings: Settings of the target, as far as they are checked here.
        table: The same as the server takes them.
        asked: What the service asks of the server.
        session: Commands on the server.
        config: Configuration from the environment.
    """

    project: Project
    settings: settings.Settings
    table: Mapping[str, Any]
    asked: Requirements
    session: Session
    config: Config

    @classmethod
    def load(
        cls, name: str, table: Mapping[str, Any], project: Project, config: Config, *, runner: Runner = run
    ) -> SshTarget:
        """Create a target from its settings; see `estiba.deploy.targets.KINDS`.

        Raises:
            ConfigError: The settings are invalid.
        """
        destination = table["ssh"]
        problem = connection.find_problem(destination) if isinstance(destination, str) else "'ssh' must be a string"
        problems = [*filter(None, [problem]), *requirements.find_problems(table.get("server", {}))]
        if problems:
            where = f"pyproject.toml [tool.estiba.targets.{name}]"
            raise ConfigError(where, problems)
        there = {key: value for key, value in table.items() if key not in {"server", "ssh"}}
        found = settings.parse(name, there, folder=project.folder, state=config.state_dir, processes=project.processes)
        way = Connection(destination=destination, sockets=config.cache_dir / "ssh", runner=runner)
        server = Server(connection=way, config=config, runner=runner)
        return cls(
            project=project,
            settings=found,
            table=there,
            asked=requirements.parse(table.get("server", {})),
            session=Session(server=server),
            config=config,
        )

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
        for sentence in checks.advise_file(self.settings.env_file, self.project.folder):
            _log.warning(sentence)
        request = self._request("deploy", manifest=manifest, contract=contract)
        self._copy(manifest, on_status)
        record: Record = self.session.run(request, on_status=on_status, was_reached=True)
        return record

    def plan(self, manifest: ReleaseManifest) -> Changes:
        """See `Target.plan`; copies the release to the server, which alone can tell."""
        request = self._request("plan", manifest=manifest)
        self._copy(manifest, lambda _: None)
        changes: Changes = self.session.ask(request, on_status=None, fresh=True)
        return changes

    def check(self, manifest: ReleaseManifest) -> tuple[str, ...]:
        """See `Target.check`; copies the release to the server, as `plan` does."""
        self._copy(manifest, lambda _: None)
        problems: tuple[str, ...] = self.session.ask(
            self._request("check", manifest=manifest), on_status=None, fresh=True
        )
        return problems

    def variables(self) -> frozenset[str]:
        """See `Target.variables`."""
        names: frozenset[str] = self._ask("variables")
        return names

    def smoke(self, *, on_status: Callable[[str], None]) -> None:
        """See `Target.smoke`."""
        self.session.ask(self._request("smoke"), on_status=on_status)

    def observe(self, since: datetime) -> Observation:
        """See `Target.observe`."""
        seen: Observation = self._ask("observe", since=since)
        return seen

    def unlock(self) -> str:
        """See `Target.unlock`."""
        holder: str = self._ask("unlock")
        return holder

    def records(self) -> list[Record]:
        """See `Target.records`."""
        found: list[Record] = self._ask("records")
        return found

    def chain(self) -> list[str] | None:
        """See `Target.chain`; whoever deploys to the server can write all that it holds."""
        return None

    def rollback(self, *, on_status: Callable[[str], None], contract: bool = False, to: str = "") -> Record:
        """See `Target.rollback`."""
        record: Record = self.session.run(self._request("rollback", contract=contract, to=to), on_status=on_status)
        return record

    def down(self, *, on_status: Callable[[str], None]) -> Record:
        """See `Target.down`."""
        record: Record = self.session.run(self._request("down"), on_status=on_status)
        return record

    def manage(self, args: Sequence[str]) -> Finished:
        """See `Target.manage`."""
        done: Finished = self.session.run(self._request("manage", args=list(args)), on_status=lambda _: None)
        return done

    def attach(self, args: Sequence[str]) -> int:
        """See `Target.attach`; the terminal is that of ssh, and ends with the connection."""
        name, server = uuid.uuid4().hex, self.session.server
        # First and by itself, as standard input is the terminal's then.
        server.run("put", name, stdin=json.dumps(self._request("attach", args=list(args))))
        return processes.run_interactive(server.argv("attach", name, terminal=sys.stdin.isatty()))

    def status(self) -> Report:
        """See `Target.status`."""
        report: Report = self._ask("status")
        return report

    def logs(self, *, tail: int, process: str, follow: bool) -> Iterator[str]:
        """See `Target.logs`."""
        if not follow:
            lines: Sequence[str] = self._ask("logs", tail=tail, process=process, follow=False)
            yield from lines
            return
        server, name = self.session.server, uuid.uuid4().hex
        request = self._request("logs", tail=tail, process=process, follow=True)
        server.run("put", name, stdin=json.dumps(request))
        try:
            for line in processes.stream(server.argv("logs", name, terminal=False)):
                found = codec.parse_line(line)
                if "error" in found:
                    raise codec.restore(found["error"], server.connection.host)
                if "line" in found:
                    yield str(found["line"])
        except CommandError as error:
            raise server.connection.lost(error.tail) from error

    def addresses(self) -> dict[str, str]:
        """See `Target.addresses`."""
        found: dict[str, str] = self._ask("addresses")
        return found

    def inspect(self) -> list[Finding]:
        """Return what the service asks of the server beside what the server has; changes nothing there.

        Raises:
            TargetError: The server cannot be reached, or does not tell.
        """
        found = requirements.measure(
            self.session.server.connection,
            folder=self.table.get("folder", ""),
            service=self.project.name,
            target=self.settings.name,
        )
        brought = requirements.read_postgresql(self.project.folder / "estiba.lock")
        return [*requirements.compare(self.asked, found, postgresql=brought, machine=platform.machine())]

    def _ask(self, method: str, **arguments: object) -> Any:  # noqa: ANN401 - the method's result
        return self.session.ask(self._request(method, **arguments), on_status=None)

    def _copy(self, manifest: ReleaseManifest, on_status: Callable[[str], None]) -> None:
        if manifest.host is None:
            msg = f"the release {manifest.version} of {manifest.service} was built without a host closure"
            raise TargetError(msg, hint="invoke deploy builds it")
        self.session.server.copy([manifest.host], on_status=on_status)

    def _request(self, method: str, **arguments: object) -> dict[str, Any]:
        """Return a request; see `estiba.deploy.server.request.Request`.

        Raises:
            ConfigError: `env-file` is missing or invalid.
        """
        variables = None
        if self.settings.env_file and method not in _WITHOUT_VARIABLES:
            environment.load(self.settings.env_file)
            variables = self.settings.env_file.read_text(encoding="utf-8")
        return {
            "method": method,
            "arguments": codec.encode(arguments),
            "target": self.settings.name,
            "table": dict(self.table),
            "service": self.project.name,
            "processes": [asdict(one) for one in self.project.processes],
            "variables": variables,
            "user": self.config.actor or getpass.getuser(),
        }

"""Commands by hand on a target, such as `invoke rollback`: in the logbook and told to people, as those of a release."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.deploy import targets
from estiba.deploy.logbook import now
from estiba.errors import EstibaError
from estiba.release.run import workspace
from estiba.release.run.reporting import Reporter
from estiba.service import project as projects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from estiba.config import Config
    from estiba.deploy.logbook import Record
    from estiba.deploy.target import Target

_LOCAL: Final = "local"
"""Target for development, about which there is no logbook."""

_EVENTS: Final[Mapping[str, str]] = {
    "deployed": "end",
    "down": "end",
    "rolled back": "rolled-back",
    "taken back": "rolled-back",
}
"""Events by the results of records; any other is a failure."""

_log = logging.getLogger(__name__)


@contextmanager
def reported(folder: Path, name: str, config: Config) -> Iterator[Target]:
    """Yield a target, and report afterwards what was done to it, whether or not that has worked.

    What cannot be reported is a warning: whoever takes a release back has no time for the logbook.

    Args:
        folder: Folder of the service.
        name: Name of the target.
        config: Settings from the environment.

    Raises:
        ChoiceError: The service has no such target.
        ConfigError: Settings are invalid.
    """
    target, started = targets.load(folder, name, config), now()
    try:
        yield target
    finally:
        if name != _LOCAL and name in projects.load(folder).targets:
            try:
                _report(folder, name, config, started)
            except (EstibaError, OSError) as error:
                _log.warning("the logbook lacks an entry: %s", error)


def _report(folder: Path, name: str, config: Config, started: str) -> None:
    if not files.find_repository(folder.absolute()):
        return
    reporter = Reporter.load(workspace.load(folder, config, name))
    for one in reporter.workspace.targets[name].records():
        if one.pid == os.getpid() and one.since >= started and one.result != "unchanged":
            report(reporter, name, one)


def report(reporter: Reporter, name: str, record: Record) -> None:
    """Add an entry about a command on a target, and tell people.

    Args:
        reporter: Reporter of the service, with its targets.
        name: Name of the target.
        record: Record of the command.
    """
    reporter.add(
        command=record.command,
        target=name,
        version=record.version,
        commit=record.revision,
        digest=record.digest,
        result=record.result,
        reason=record.reason,
        started=record.since,
        seconds=record.seconds,
        migrations=record.reversed or record.migrations,
    )
    text = f"{record.command} by hand: {record.result}{f', {record.reason}' if record.reason else ''}"
    reporter.notify(_EVENTS.get(record.result, "failure"), text, version=record.version, target=name)

"""Commands by hand on a target, such as `invoke rollback`: in the logbook and told to people, as those of a release."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from estiba import files
from estiba.deploy import targets
from estiba.errors import DeployError, EstibaError
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

_NOTHING: Final = frozenset({"interrupted", "unchanged"})
"""Results of records that say nothing of this command: that of a killed one, which is repaired first, is one."""

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
    target = targets.load(folder, name, config)
    is_reported = name != _LOCAL and name in projects.load(folder).targets and files.find_repository(folder.absolute())
    if not is_reported:
        yield target
        return
    known = _find_known(target)
    try:
        yield target
    finally:
        try:
            if isinstance(known, EstibaError):
                # All that was ever done to the target would look new.
                raise known
            reporter = Reporter.load(workspace.load(folder, config, name))
            for one in target.records():
                if _key(one) not in known and one.result not in _NOTHING:
                    report(reporter, name, one)
        except (EstibaError, OSError) as error:
            _log.warning("the logbook lacks an entry: %s", error)


def _find_known(target: Target) -> frozenset[tuple[str, str, int]] | EstibaError:
    """Return the records that a target has before a command, none for one that is new; the error of one that fails."""
    try:
        return frozenset(map(_key, target.records()))
    except DeployError:
        return frozenset()
    except EstibaError as error:
        return error


def _key(record: Record) -> tuple[str, str, int]:
    # The process may be one of another machine, with a clock of its own.
    return record.since, record.command, record.pid


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

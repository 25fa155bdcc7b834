"""Static files of the release that is served, where they are kept on another machine, such as S3.

`migrate` of the entry point uploads those of a new release. A way back has to do it again: a manifest in the store says
which file has which name with a hash, and is that of the release that was uploaded last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from estiba.errors import DeployError, EstibaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.supervise.program import Programs


def upload(processes: Processes, programs: Programs) -> None:
    """Upload the static files of a release, if they are kept on another machine.

    Raises:
        DeployError: That failed, or took longer than the migrations may.
    """
    limit = processes.settings.migrate_limit
    if not programs.closure.uploads:
        return
    ran = processes.command(programs, ["upload"], limit=limit)
    if not ran.has_passed:
        reason = f"ended with {ran.code}" if ran.code is not None else f"did not end within {limit:g} seconds"
        msg = f"the upload of static files {reason}:\n{ran.tail()}"
        raise DeployError(msg, hint="check the settings of their storage, and that it can be reached")


def restore(processes: Processes, programs: Programs, tell: Callable[[str], None]) -> None:
    """Upload the static files of the release that stays once more; a store that is away must not keep it from that."""
    try:
        upload(processes, programs)
    except EstibaError as error:
        tell(f"the static files of the release that stays could not be uploaded again: {error.message}")

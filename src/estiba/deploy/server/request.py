"""Request of another machine: a method of a target, with the target's settings."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba import files
from estiba.deploy.host import settings
from estiba.deploy.host.target import HostTarget
from estiba.deploy.ssh import codec
from estiba.errors import EstibaError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from estiba.config import Config
    from estiba.service.processes import Process

_VARIABLES: Final = "variables"
"""File with the variables of `env-file`, for as long as a command runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Call of a method of a target.

    Attributes:
        method: Name of the method, see `estiba.deploy.target.Target`.
        arguments: Its arguments by name, as `codec.encode` has them.
        target: Name of the target.
        table: Its settings, those of a target on this machine.
        service: Name of the service, which the server knows it by.
        processes: Processes of the service, as far as it names them.
        variables: Text of `env-file`; None where there is none.
        user: Name of the person who asks, for the logbook.
    """

    method: str
    arguments: Mapping[str, Any]
    target: str
    table: Mapping[str, Any]
    service: str
    processes: tuple[Process, ...]
    variables: str | None
    user: str


def parse(text: str) -> Request:
    """Parse a request.

    Raises:
        TargetError: It is incomplete, as after a lost connection, or of another Estiba.
    """
    try:
        request: Request = codec.decode(Request, json.loads(text))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"the request is incomplete: {error}"
        raise TargetError(msg, hint="run the command again") from error
    return request


def make_target(request: Request, config: Config, scratch: Path) -> HostTarget:
    """Return the target on this machine that a request is about.

    Args:
        request: The request.
        config: Configuration from the environment.
        scratch: Private folder for the variables of `env-file`, which `forget` removes.

    Raises:
        ConfigError: The settings are invalid.
    """
    home, state = Path.home(), config.state_dir / request.service
    table = {key: value for key, value in request.table.items() if key != "env-file"}
    found = settings.parse(request.target, table, folder=home, state=state, processes=request.processes)
    if request.variables is not None:
        files.write(scratch / _VARIABLES, request.variables)
        found = replace(found, env_file=scratch / _VARIABLES)
    # The service's own folder is on the other machine, where each of its developers has another one.
    return HostTarget(project=state / "project", config=config, settings=found)


def forget(scratch: Path) -> None:
    """Remove the variables that `make_target` has written."""
    (scratch / _VARIABLES).unlink(missing_ok=True)


def execute(request: Request, target: HostTarget, report: Callable[[Mapping[str, str]], None]) -> dict[str, Any]:
    """Call the method of a request and return its outcome, which has `result`, `error` or `interrupted`.

    Args:
        request: The request.
        target: The target.
        report: Called with each line of progress as `status`, and with each warning as `warning`.
    """
    log, warnings = logging.getLogger("estiba"), _Warnings(report)
    log.addHandler(warnings)
    try:
        known = codec.hints(request.method)
        arguments = {name: codec.decode(known[name], value) for name, value in request.arguments.items()}
        if "on_status" in known:
            arguments["on_status"] = lambda line: report({"status": line})
        return {"result": codec.encode(getattr(target, request.method)(**arguments))}
    except EstibaError as error:
        return {"error": codec.describe(error)}
    except KeyboardInterrupt as error:
        return {"interrupted": str(error)}
    except Exception as error:  # noqa: BLE001 - what nobody sees here has to be told there
        last = traceback.extract_tb(error.__traceback__)[-1]
        found = TargetError(f"{type(error).__name__}: {error} ({Path(last.filename).name}, line {last.lineno})")
        return {"error": codec.describe(found)}
    finally:
        log.removeHandler(warnings)


class _Warnings(logging.Handler):
    """Logging handler that passes the warnings of the library on."""

    def __init__(self, report: Callable[[Mapping[str, str]], None]) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a warning on."""
        self._report({"warning": record.getMessage()})

"""Readiness of a release's web process: the page that says so, or where the service has none, the pages of `smoke`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from estiba.deploy.host.supervise import logs
from estiba.errors import DeployError

if TYPE_CHECKING:
    from estiba.deploy.host.closure import HostClosure
    from estiba.deploy.host.processes import Processes
    from estiba.deploy.host.state.revisions import Revision
    from estiba.deploy.host.supervise.program import Programs
    from estiba.endpoint import Endpoint

_FILE: Final = "ready.json"
"""File with the page that was asked instead of `ready`, for one release."""

_EXCEPTION: Final = 500
"""Status of an exception, where 503 is that of a page that says "not yet"."""

_PATIENCE: Final = 5.0
_PAGE_LIMIT: Final = 30.0
_NO_PAGE: Final = 1


def find_path(processes: Processes, closure: HostClosure) -> str:
    """Return the path to ask for the readiness of a release that has been started before."""
    known = processes.folder.read_state(processes.folder.path / _FILE)
    wanted = processes.settings.ready
    is_known = known.get("digest") == str(closure.digest) and known.get("asked") == wanted
    return str(known.get("path", wanted)) if is_known else wanted


def is_ready(endpoint: Endpoint, path: str, wanted: str) -> bool:
    """Return whether a page says that the service is ready.

    Args:
        endpoint: Endpoint of the service.
        path: Page to ask, see `find_path`.
        wanted: Page of the settings; another one has to succeed, since it was not made to say so.
    """
    return endpoint.is_ready(path) if path == wanted else not endpoint.problem(path)


def start(processes: Processes, revision: Revision, programs: Programs) -> None:
    """Start the web process of a release in its slot, and wait until it is ready.

    Raises:
        DeployError: It has ended, or is not ready in time, or its page fails with an exception for some seconds.
    """
    processes.start(revision, programs)
    waiting = _Waiting(processes, revision, programs, processes.endpoint_of(revision), path=processes.settings.ready)
    try:
        processes.runit.wait_ready(waiting.service, waiting.ask, processes.settings.ready_limit)
    except DeployError as error:
        # An HTTP status of the readiness check says more than that its time is over.
        problem = waiting.endpoint.get(waiting.path) and waiting.endpoint.problem(waiting.path)
        if not problem or problem in error.message:
            raise
        msg = f"{problem}; {error}"
        raise DeployError(msg) from error


@dataclass(slots=True)
class _Waiting:
    """Wait in progress; `path` is the page that is asked, and `failing` since when it fails with an exception."""

    processes: Processes
    revision: Revision
    programs: Programs
    endpoint: Endpoint
    path: str
    failing: float = 0.0
    began: str = ""

    @property
    def service(self) -> str:
        return f"web-{self.revision.slot}"

    def ask(self) -> bool:
        """Return whether the process is ready.

        Raises:
            DeployError: The page fails with an exception, and goes on to.
        """
        if is_ready(self.endpoint, self.path, self.processes.settings.ready):
            return True
        if self.endpoint.get(self.path) != _EXCEPTION:
            self.failing = 0.0
        elif not self.failing:
            self.failing, self.began = time.monotonic(), logs.stamp()
            if self.path == self.processes.settings.ready and not self._has_page():
                self._ask_another()
        elif time.monotonic() - self.failing > _PATIENCE:
            said = self.processes.runit.said(self.service, self.began)
            msg = f"{self.path} answers {_EXCEPTION}, and goes on to:\n{said}"
            raise DeployError(msg)
        return False

    def _has_page(self) -> bool:
        """Return whether the service has a page at `path`; one that has none answers by its page for status 404."""
        limit = _PAGE_LIMIT
        return self.processes.command(self.programs, ["page", self.path], limit=limit).code != _NO_PAGE

    def _ask_another(self) -> None:
        wanted, digest = self.path, str(self.revision.closure.digest)
        self.path, self.failing = next(iter(self.processes.settings.smoke), self.path), 0.0
        known = {"asked": wanted, "digest": digest, "path": self.path}
        self.processes.folder.write(self.processes.folder.path / _FILE, known)

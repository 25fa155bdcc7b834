"""Lock of a service's releases: one at a time runs, and the others name its owner."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

from estiba import files
from estiba.errors import BusyError
from estiba.release.journal import now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_FILE: Final = "lock"
_FOLDER: Final = 0o700


def describe(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return who runs this process: host, user, process ID, and the URL of the CI job.

    Args:
        variables: Environment variables.
    """
    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": now(),
        "url": _job(variables),
        "user": _user(),
    }


@contextmanager
def hold(folder: Path, owner: Mapping[str, Any]) -> Iterator[None]:
    """Hold the lock of a service's releases for the block; the kernel releases it if this process is killed.

    Args:
        folder: Folder of the journals; created if it does not exist.
        owner: Result of `describe`, for the error of others.

    Raises:
        BusyError: Another release runs; the message names its owner.
    """
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    path = folder / _FILE
    with ExitStack() as stack:
        try:
            file = stack.enter_context(files.lock(path))
        except BlockingIOError as error:
            msg = f"{sentence(read(path))} runs a release of this service"
            raise BusyError(msg, hint="invoke release.status shows its step; wait until it has ended") from error
        # The owner is only for messages.
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps(dict(owner), sort_keys=True).encode(), 0)
        yield
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)


def release(folder: Path) -> dict[str, Any]:
    """Clear the lock after a release that was killed, and return who held it; empty if nobody did.

    Raises:
        BusyError: The process that holds it is alive.
    """
    path = folder / _FILE
    held = read(path)
    if path.exists():
        with hold(folder, {}):
            pass
    return held


def running(folder: Path) -> dict[str, Any]:
    """Return the owner of the release that runs now, empty if none does."""
    path = folder / _FILE
    if not path.exists():
        return {}
    try:
        with files.lock(path, shared=True):
            return {}
    except BlockingIOError:
        return read(path) or {"user": "another user"}


def read(path: Path) -> dict[str, Any]:
    """Return the owner that a lock file names, empty if there is none."""
    try:
        found = json.loads(files.read(path))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def sentence(owner: Mapping[str, Any]) -> str:
    """Return an owner as it stands in messages."""
    url = f", {owner['url']}" if owner.get("url") else ""
    who = f"{owner.get('user', 'another user')}@{owner.get('host', 'this machine')}"
    return f"{who} (process {owner.get('pid', 'unknown')}{url}, since {owner.get('since', 'just now')})"


def _job(variables: Mapping[str, str]) -> str:
    """Return the URL of the CI job from the variables of GitLab CI, GitHub Actions or Concourse."""
    if url := variables.get("CI_JOB_URL"):
        return url
    if run := variables.get("GITHUB_RUN_ID"):
        return f"{variables.get('GITHUB_SERVER_URL', '')}/{variables.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    if build := variables.get("BUILD_ID"):
        return f"{variables.get('ATC_EXTERNAL_URL', '')}/builds/{build}"
    return ""


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a user ID that has no entry in passwd(5).
        return str(os.getuid())

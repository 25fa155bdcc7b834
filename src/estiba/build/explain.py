"""Errors of failed builds: their cause in Nix's log, and a hint."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from estiba.config import CONTAINER, ENV_SANDBOX
from estiba.errors import ArtifactError, BuildError, LockFormatError
from estiba.lock import model
from estiba.nix.log import failed_derivation
from estiba.nix.store_path import store_name

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.errors import CommandError
    from estiba.nix.log import BuildLog

_MISSING: Final = "artifact missing from the store: "
_FOREIGN: Final = "is not owned by current user"
_NO_NAMESPACES: Final = "does not support the kernel namespaces"
_ALLOW_NAMESPACES: Final = (
    "start a container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`, a pod with "
    "`procMount: Unmasked` and `seccompProfile: {type: Unconfined}`; where nobody may configure it, set "
    f"{ENV_SANDBOX}={CONTAINER}: the same image, but not hermetic; elsewhere see docs/troubleshooting.md"
)


def explain(log: BuildLog, error: CommandError, lock: Path, unknown: str = "") -> BuildError | ArtifactError:
    """Return the error to raise for a failed build.

    Args:
        log: Log of the build.
        error: Error of the nix command.
        lock: Lock file of the service; need not exist.
        unknown: Sentence about files that the build does not have.

    Returns:
        `ArtifactError` if locked artifacts are missing from the store, else `BuildError`.
    """
    missing = {line for lines in log.lines.values() for line in lines if line.startswith(_MISSING)}
    if missing:
        named = {line.removeprefix(_MISSING).partition(";")[0] for line in missing}
        # npm packages, which the lock does not have.
        tarballs = {name for name in log.wanted if name.endswith(".tgz")} - {store_name(name) for name in named}
        names = sorted(named | tarballs | _wanted_artifacts(log, lock))
        listed = f" {names[0]}" if len(names) == 1 else "".join(f"\n  - {name}" for name in names)
        return ArtifactError(f"not in the store:{listed}", hint="invoke fetch")
    failure = log.failure() or error.tail
    if _NO_NAMESPACES in failure:
        return BuildError("this machine does not let Nix make its sandbox", hint=_ALLOW_NAMESPACES)
    if _FOREIGN in failure:
        return explain_flake(lock.parent, error)
    derivation = failed_derivation(failure)
    hints = [unknown, f"nix log {derivation}" if derivation else ""]
    return BuildError(failure, hint="; ".join(filter(None, hints)))


def explain_flake(folder: Path, error: CommandError) -> BuildError:
    """Return the error for a flake of a service that cannot be evaluated."""
    if _FOREIGN in error.tail:
        place = folder.resolve()
        msg = f"{place} or its repository belongs to another user, and git and Nix do not read what others may change"
        return BuildError(
            msg, hint=f"if you trust it: git config --global --add safe.directory {shlex.quote(str(place))}"
        )
    return BuildError(error.tail.strip().removeprefix("error:").strip(), hint="look at flake.nix")


def _wanted_artifacts(log: BuildLog, lock: Path) -> set[str]:
    """Return the artifacts in the lock that Nix had to build, which are all that is missing.

    The build stops at the first missing artifact, so the log alone would not name the others.
    """
    try:
        found = model.parse(lock.read_text(encoding="utf-8")).artifacts
    except (OSError, ValueError, LockFormatError):
        # A missing or damaged lock must not hide the error of the build.
        return set()
    wanted = set(log.wanted)
    return {one.file for one in found if store_name(one.file) in wanted}

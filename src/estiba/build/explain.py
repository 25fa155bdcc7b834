"""Errors of failed builds: their cause in Nix's log, and a hint."""

from __future__ import annotations

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
_NO_NAMESPACES: Final = "does not support the kernel namespaces"
_ALLOW_NAMESPACES: Final = (
    "start a container with `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`, a pod with "
    "`procMount: Unmasked` and `seccompProfile: {type: Unconfined}`; where nobody may configure it, set "
    f"{ENV_SANDBOX}={CONTAINER}: the same image, but not hermetic; elsewhere see docs/troubleshooting.md"
)


def explain(log: BuildLog, error: CommandError, lock: Path) -> BuildError | ArtifactError:
    """Return the error to raise for a failed build.

    Args:
        log: Log of the build.
        error: Error of the nix command.
        lock: Lock file of the service; need not exist.

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
    derivation = failed_derivation(failure)
    return BuildError(failure, hint=f"nix log {derivation}" if derivation else "")


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

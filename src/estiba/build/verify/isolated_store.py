"""Isolated build environment: an empty store, and another user, time zone, locale, umask, host name and CPU count.

It varies what reproducible builds must not depend on (reproducible-builds.org, "Variations").
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.build.verify import namespace_entry
from estiba.errors import CommandError, MissingProgramError
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from estiba.config import Config
    from estiba.process import Completed, Runner

_UID: Final = 54321
"""User ID and group ID that no machine assigns."""

_HOSTNAME: Final = "elsewhere"
_UMASK: Final = 0o027
_TIME_ZONE: Final = "Pacific/Kiritimati"
_LOCALE: Final = "tr_TR.UTF-8"
_KEPT: Final = ("PATH", "NIX_CONF_DIR", "NIX_CONFIG", "NIX_USER_CONF_FILES", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedStore:
    """Isolated build environment with a Nix store of its own.

    Attributes:
        config: Settings from the environment outside.
        folder: Folder with the store, source, home and temporary files.
        uid: User ID to build as, or None if only root could change it.
        has_hostname: Whether it has another host name.
        processors: CPU numbers that builds may use.
    """

    config: Config
    folder: Path
    uid: int | None
    has_hostname: bool
    processors: tuple[int, ...]

    @property
    def store(self) -> Path:
        """Root folder of the chroot store; store paths lie below it."""
        return self.folder / "store"

    @property
    def source(self) -> Path:
        """Folder for the copy of the source."""
        return self.folder / "copied-source"

    @property
    def varied(self) -> tuple[str, ...]:
        """Names of the properties that differ from those of this process."""
        user = ("user",) if self.uid is not None else ()
        host = ("host name",) if self.has_hostname else ()
        cores = ("processors",) if len(self.processors) < len(os.sched_getaffinity(0)) else ()
        return ("store", *user, "source path", "home", "time", "time zone", "locale", "umask", *host, *cores)

    @property
    def options(self) -> tuple[str, ...]:
        """Options of nix commands: the store, no substituters, and a single build job."""
        return ("--store", str(self.store), "--option", "substituters", "", "--max-jobs", "1", "--cores", "1")

    def runner(self, inner: Runner = run) -> Runner:
        """Return a runner whose commands run in this environment."""

        def run_isolated(
            argv: Sequence[str],
            *,
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
            **options: Any,  # noqa: ANN401 - those of Runner
        ) -> Completed:
            return inner([*self._prefix(), *argv], env={**self._environment(), **(env or {})}, cwd=cwd, **options)

        return run_isolated

    def chown(self) -> None:
        """Give all files in the folder to the user of the environment."""
        if self.uid is None:
            return
        os.chown(self.folder, self.uid, self.uid)
        for top, folders, files in os.walk(self.folder):
            for name in (*folders, *files):
                os.chown(Path(top, name), self.uid, self.uid, follow_symlinks=False)

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in self.config.variables.items() if name in _KEPT}
        home, tmp = self.folder / "home", self.folder / "tmp"
        return {**kept, "HOME": str(home), "TMPDIR": str(tmp), "TZ": _TIME_ZONE, "LANG": _LOCALE, "LC_ALL": _LOCALE}

    def _prefix(self) -> list[str]:
        wanted = {
            "hostname": _HOSTNAME if self.has_hostname else "",
            "processors": list(self.processors),
            "reachable": [str(path) for path in _needed_folders(self.config)] if self.uid is not None else [],
            "uid": self.uid,
            "umask": _UMASK,
        }
        return [*_unshare(self.uid, has_hostname=self.has_hostname), *_python(), json.dumps(wanted, sort_keys=True)]


@contextmanager
def create(config: Config, *, runner: Runner = run) -> Iterator[IsolatedStore]:
    """Create an environment with an empty store; its folder is removed when the block ends."""
    processors = sorted(os.sched_getaffinity(0))
    uid = _UID if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="estiba-elsewhere-", dir=_choose_parent())).resolve()
    try:
        folder.chmod(0o755)
        for name in ("home", "tmp", "store"):
            (folder / name).mkdir()
        # Git refuses repositories of another user (safe.directory of git-config(1)); Nix reads the source with git.
        (folder / "home/.gitconfig").write_text("[safe]\n\tdirectory = *\n")
        yield IsolatedStore(
            config=config,
            folder=folder,
            uid=uid,
            has_hostname=_can_set_hostname(uid, runner),
            processors=tuple(processors[: max(1, len(processors) - 1)]),
        )
    finally:
        _remove(folder)


def _choose_parent() -> Path:
    """Return a folder for temporary files that other users can reach; that of `nix develop` is private."""
    usual = Path(tempfile.gettempdir()).resolve()
    is_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in (usual, *usual.parents))
    return usual if is_open or os.geteuid() != 0 else Path("/var/tmp")  # noqa: S108 - mkdtemp is what uses it


def _unshare(uid: int | None, *, has_hostname: bool) -> list[str]:
    """Return the unshare(1) command that creates the namespaces, empty if there are none."""
    if uid is not None:
        return ["unshare", "--mount", "--uts", "--"]
    # The program that sets the host name needs the capabilities of the user namespace.
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--uts", "--"] if has_hostname else []


def _python() -> list[str]:
    return [sys.executable, "-I", "-B", namespace_entry.__file__]


def _can_set_hostname(uid: int | None, runner: Runner) -> bool:
    """Tell whether a UTS namespace can be created, which some systems forbid to ordinary users."""
    if uid is not None:
        return True
    try:
        runner([*_unshare(uid, has_hostname=True), "true"])
    except (CommandError, MissingProgramError):
        return False
    return True


def _needed_folders(config: Config) -> list[Path]:
    """Return the folders that the nix command needs and that may be in a private home folder."""
    program = shutil.which("nix")
    found = [Path(program).resolve().parent.parent] if program else []
    found += [Path(config.variables[name]).resolve() for name in ("NIX_CONF_DIR",) if name in config.variables]
    library = config.flake.removeprefix("path:")
    found += [Path(library).resolve()] if library.startswith("/") else []
    outer = [path for path in found if not any(path != other and path.is_relative_to(other) for other in found)]
    return list(dict.fromkeys(outer))


def _remove(folder: Path) -> None:
    """Remove a folder that contains a Nix store, whose folders are read-only."""
    for top, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(top, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)

"""A second world to build in: an empty store, another user, time zone, locale, umask, host name and processor count."""

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
"""A user that no machine has."""

_HOST: Final = "elsewhere"
_UMASK: Final = 0o027
_TIME_ZONE: Final = "Pacific/Kiritimati"
_LOCALE: Final = "tr_TR.UTF-8"
_KEPT: Final = ("PATH", "NIX_CONF_DIR", "NIX_CONFIG", "NIX_USER_CONF_FILES", "SSL_CERT_FILE", "LD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolatedStore:
    """A place to build in.

    Attributes:
        config: The environment's settings, outside.
        folder: Holds everything; removed afterwards.
        uid: Its user, or None where one cannot become another.
        has_host: Whether it has a host name of its own.
        processors: The processors it may use.
    """

    config: Config
    folder: Path
    uid: int | None
    has_host: bool
    processors: tuple[int, ...]

    @property
    def store(self) -> Path:
        """The root of its store; a store path lies below it."""
        return self.folder / "store"

    @property
    def source(self) -> Path:
        """Where the copy of the source goes."""
        return self.folder / "copied-source"

    @property
    def varied(self) -> tuple[str, ...]:
        """What is other than in this world."""
        user = ("user",) if self.uid is not None else ()
        host = ("host name",) if self.has_host else ()
        cores = ("processors",) if len(self.processors) < len(os.sched_getaffinity(0)) else ()
        return ("store", *user, "source path", "home", "time", "time zone", "locale", "umask", *host, *cores)

    @property
    def options(self) -> tuple[str, ...]:
        """Words for a nix command: the store, nothing substituted, one job at a time."""
        return ("--store", str(self.store), "--option", "substituters", "", "--max-jobs", "1", "--cores", "1")

    def runner(self, inner: Runner = run) -> Runner:
        """Return a runner whose commands run in this world."""

        def run_there(
            argv: Sequence[str],
            *,
            env: Mapping[str, str] | None = None,
            cwd: Path | None = None,
            **options: Any,  # noqa: ANN401 - those of Runner
        ) -> Completed:
            return inner([*self._prefix(), *argv], env={**self._environment(), **(env or {})}, cwd=cwd, **options)

        return run_there

    def hand_over(self) -> None:
        """Give all files to the world's user."""
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
            "hostname": _HOST if self.has_host else "",
            "processors": list(self.processors),
            "shown": [str(path) for path in _private_folders(self.config)] if self.uid is not None else [],
            "uid": self.uid,
            "umask": _UMASK,
        }
        return [*_unshare(self.uid, has_host=self.has_host), *_python(), json.dumps(wanted, sort_keys=True)]


@contextmanager
def create(config: Config, *, runner: Runner = run) -> Iterator[IsolatedStore]:
    """Make a world with an empty store, and remove it afterwards."""
    processors = sorted(os.sched_getaffinity(0))
    uid = _UID if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="estiba-elsewhere-", dir=_find_place())).resolve()
    try:
        folder.chmod(0o755)
        for name in ("home", "tmp", "store"):
            (folder / name).mkdir()
        (folder / "home/.gitconfig").write_text("[safe]\n\tdirectory = *\n")
        yield IsolatedStore(
            config=config,
            folder=folder,
            uid=uid,
            has_host=_has_host(uid, runner),
            processors=tuple(processors[: max(1, len(processors) - 1)]),
        )
    finally:
        _remove(folder)


def _find_place() -> Path:
    """Return a folder for temporary files that another user can reach; `nix develop` sets TMPDIR to a private one."""
    usual = Path(tempfile.gettempdir()).resolve()
    is_open = all(folder.stat().st_mode & stat.S_IXOTH for folder in (usual, *usual.parents))
    return usual if is_open or os.geteuid() != 0 else Path("/var/tmp")  # noqa: S108 - mkdtemp is what uses it


def _unshare(uid: int | None, *, has_host: bool) -> list[str]:
    """Return the command that makes namespaces for the disguise."""
    if uid is not None:
        return ["unshare", "--mount", "--uts", "--"]
    return ["unshare", "--user", "--map-current-user", "--keep-caps", "--uts", "--"] if has_host else []


def _python() -> list[str]:
    return [sys.executable, "-I", "-B", namespace_entry.__file__]


def _has_host(uid: int | None, runner: Runner) -> bool:
    """Try whether one may have a host name of one's own; an ordinary user may not everywhere."""
    if uid is not None:
        return True
    try:
        runner([*_unshare(uid, has_host=True), "true"])
    except (CommandError, MissingProgramError):
        return False
    return True


def _private_folders(config: Config) -> list[Path]:
    """Return the folders that the nix command needs and that may lie in this user's home."""
    program = shutil.which("nix")
    found = [Path(program).resolve().parent.parent] if program else []
    found += [Path(config.variables[name]).resolve() for name in ("NIX_CONF_DIR",) if name in config.variables]
    library = config.flake.removeprefix("path:")
    found += [Path(library).resolve()] if library.startswith("/") else []
    outer = [path for path in found if not any(path != other and path.is_relative_to(other) for other in found)]
    return list(dict.fromkeys(outer))


def _remove(folder: Path) -> None:
    """Remove a folder with the read-only folders of a store in it."""
    for top, folders, _ in os.walk(folder):
        for name in folders:
            path = Path(top, name)
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)

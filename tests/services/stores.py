"""Nix stores of the tests' own, and a machine that has nothing but an empty one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from tests.services import harbour

from estiba import config

if TYPE_CHECKING:
    from pathlib import Path

REALISE: Final = (
    "from pathlib import Path; from estiba import build, config; "
    "print(build.realise(Path.cwd(), 'image', config.load()))"
)
"""Builds as `invoke build` does, and reads nothing from the store, which is not at /nix."""


def discard(store: Path) -> None:
    """Remove a store, whose files are read-only."""
    subprocess.run(["chmod", "--recursive", "u+w", str(store)], check=False, stderr=subprocess.DEVNULL)
    shutil.rmtree(store, ignore_errors=True)


def built_in(store: Path) -> list[str]:
    """Return the names of what was built in a store; Nix keeps a log of each."""
    logs = (store / "nix/var/log/nix/drvs").glob("*/*")
    return sorted(log.name.partition("-")[2].removesuffix(".bz2").removesuffix(".drv") for log in logs)


class Machine:
    """Another machine: a home folder, an empty store, and a copy of a service's commit."""

    def __init__(self, place: Path, service: Path) -> None:
        self.store = place / "store"
        self.service = place / service.name
        shutil.copytree(service, self.service, ignore=shutil.ignore_patterns(".estiba"))
        self._env = config.load().environment(
            HOME=str(place / "home"),
            XDG_CONFIG_HOME=str(place / "home/.config"),
            XDG_CACHE_HOME=str(place / "home/.cache"),
            NIX_REMOTE=str(self.store),
            ESTIBA_FLAKE=harbour.FLAKE,
            PYTHONPATH=str(harbour.ROOT / "src"),
        )

    def invoke(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a task there."""
        argv = [sys.executable, "-m", "invoke", *words]
        return subprocess.run(argv, cwd=self.service, env=self._env, capture_output=True, text=True, check=False)

    def build(self) -> str:
        """Build the image there and return its digest, read from that store."""
        argv = [sys.executable, "-c", REALISE]
        done = subprocess.run(argv, cwd=self.service, env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return self.digest(done.stdout.strip())

    def digest(self, path: str) -> str:
        """Return the digest of an image in its store."""
        summary = json.loads((self.store / path.removeprefix("/") / "estiba.json").read_text())
        return str(summary["digest"])

    def locked_files(self) -> list[str]:
        """Return the names of the packages that its store has."""
        return sorted(file.name for file in (self.store / "nix/store").iterdir() if file.suffix in {".deb", ".whl"})

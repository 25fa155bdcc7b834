"""Programs that tests need and that are published as Go modules, built once into the user's cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian

from estiba import config, files
from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEAST: Final = (1, 26)
_TOOLCHAIN: Final = "go1.26.5"
"""What a Go that is too old fetches as a module, from where the other modules come."""
_SUITE: Final = "trixie"
"""The first release whose Go can do that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """Go, in a module whose checksums are known, with caches that go when the work is done.

    Attributes:
        sources: The module.
        env: All variables.
        program: The command.
    """

    sources: Path
    env: Mapping[str, str]
    program: str

    def run(self, *arguments: str) -> str:
        """Run it, and return what it says on standard output.

        Raises:
            subprocess.CalledProcessError: It fails; it has said why.
        """
        argv = [self.program, *arguments]
        return subprocess.run(
            argv, cwd=self.sources, env=self.env, stdout=subprocess.PIPE, text=True, check=True
        ).stdout


def cached(sources: Path, make: Callable[[Go, Path], None], *, notice: str) -> Path:
    """Return a folder that is made from a module once, also when two ask for it at a time.

    Args:
        sources: The module; with another content it is another folder.
        make: Fills the folder.
        notice: What is said before that, on standard error.
    """
    names = sorted(path for path in sources.rglob("*") if path.is_file())
    key = Digest.of_bytes(b"\0".join(bytes(path.relative_to(sources)) + path.read_bytes() for path in names)).hex[:16]
    cache = config.load().cache_dir / "tests"
    folder = cache / f"{sources.name}-{key}"
    cache.mkdir(parents=True, exist_ok=True)
    with files.lock(cache / f"{sources.name}.lock", wait=True):
        if folder.exists():
            return folder
        sys.stderr.write(f"{notice}\n")
        for abandoned in cache.glob(f"{sources.name}-*.part"):
            _remove(abandoned)
        scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", suffix=".part", dir=cache))
        try:
            made = scratch / "made"
            made.mkdir()
            make(_prepare(sources, scratch), made)
            made.rename(folder)
        finally:
            # Go's caches are many times as large as what they are for.
            _remove(scratch)
    return folder


def _remove(folder: Path) -> None:
    """Remove a folder with the toolchain that Go fetches, whose folders are read-only in spite of -modcacherw."""
    for where, _, _ in os.walk(folder):
        Path(where).chmod(0o700)
    shutil.rmtree(folder)


def _prepare(sources: Path, scratch: Path) -> Go:
    """Return the machine's Go where it is new enough, else Debian's."""
    caches = {
        "CGO_ENABLED": "0",
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-trimpath -buildvcs=false -modcacherw",
        "GOMODCACHE": str(scratch / "modules"),
        "GOTMPDIR": str(scratch),
        "GOWORK": "off",
    }
    found = shutil.which("go")
    if found and _version(found) >= _LEAST:
        return Go(sources=sources, program=found, env=config.load().environment(**caches, GOTOOLCHAIN="local"))
    (root,) = debian.unpack("golang-go", suite=_SUITE).glob("usr/lib/go-*")
    env = config.load().environment(**caches, GOROOT=str(root), GOTOOLCHAIN=_TOOLCHAIN)
    return Go(sources=sources, program=str(root / "bin" / "go"), env=env)


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "env", "-json", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", json.loads(said or "{}").get("GOVERSION", ""))
    return (int(found[1]), int(found[2])) if found else ()

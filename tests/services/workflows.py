"""actionlint, built once from the Go modules that it is, by the machine's Go or by Debian's."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.services import debian

from estiba import config, files
from estiba.digest import Digest

_SOURCES: Final = Path(__file__).with_name("actionlint")
_INPUTS: Final = ("go.mod", "go.sum", "tools.go")


def bring_actionlint() -> Path:
    """Return the program, from the cache folder where it is in it already."""
    cache = config.load().cache_dir / "tests"
    cache.mkdir(parents=True, exist_ok=True)
    key = Digest.of_bytes(b"".join((_SOURCES / name).read_bytes() for name in _INPUTS)).hex[:16]
    program = cache / f"actionlint-{key}"
    with files.lock(cache / "actionlint.lock", wait=True):
        if not program.exists():
            _build(program)
    return program


def _build(program: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="actionlint-", dir=program.parent) as scratch:
        go, chosen = _find_go()
        variables = {
            "CGO_ENABLED": "0",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-trimpath -buildvcs=false -modcacherw -mod=readonly",
            "GOMODCACHE": f"{scratch}/modules",
            "GOTMPDIR": scratch,
            **chosen,
        }
        made = Path(scratch) / "actionlint"
        argv = [go, "build", "-o", str(made), "github.com/rhysd/actionlint/cmd/actionlint"]
        subprocess.run(argv, cwd=_SOURCES, env={**os.environ, **variables}, check=True)
        made.rename(program)


def _find_go() -> tuple[str, dict[str, str]]:
    if found := shutil.which("go"):
        return found, {}
    (root,) = debian.unpack("golang-go").glob("usr/lib/go-*")
    return str(root / "bin" / "go"), {"GOROOT": str(root)}

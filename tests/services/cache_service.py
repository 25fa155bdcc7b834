"""The cache service, deployed on this machine by its own tasks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import harbour, ports, sites

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCE: Final = harbour.ROOT / "cache-service"
_CREATE: Final = """
import json
from caches.models import Cache, Scope, SigningKey, Token

made = {}
for name in ("files", "killed", "open", "operated", "parts", "private", "revoked", "sessions", "strict"):
    cache = Cache.objects.create(name=name, is_public=name in ("files", "killed", "open", "strict"))
    made[name] = {"key": SigningKey.generate(cache).public}
    made[name] |= {scope: Token.create(cache, scope, [scope])[1] for scope in Scope.values}
print(json.dumps(made))
"""
_TABLE: Final = "[tool.estiba.targets.local]\n"


@dataclass(frozen=True, kw_only=True)
class CacheService:
    """A cache service that answers.

    Attributes:
        folder: Its sources.
        port: Where nginx listens.
    """

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        """Its NARs."""
        return self.folder.parent / "state/data/folders/app/data"

    @functools.cached_property
    def made(self) -> dict[str, dict[str, str]]:
        """The key and the tokens of some caches, these by scope; one command makes them all."""
        found: dict[str, dict[str, str]] = json.loads(self.manage("shell", "-c", _CREATE).splitlines()[-1])
        return found

    @property
    def logs(self) -> str:
        """All that its programs have logged."""
        files = (self.folder.parent / "state/logs").rglob("*")
        return "".join(file.read_text(errors="replace") for file in files if file.is_file())

    def kill_web(self) -> None:
        """Kill all processes of the web server, as a lack of memory does."""
        done = harbour.invoke(self.folder, "status", "--json", check=False)
        status = json.loads(done.stdout)
        up = [one["name"] for one in status["workloads"] if one["state"] == "up" and one["name"].startswith("web-")]
        for name in up:
            main = sites.find_program(status["details"]["pids"][name])
            workers = Path(f"/proc/{main}/task/{main}/children").read_text().split()
            for process in (main, *map(int, workers)):
                # A worker may have ended already, without its main process.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

    def manage(self, *words: str) -> str:
        """Run a management command and return what it prints."""
        return harbour.invoke(self.folder, "manage", "--", *words).stdout.strip()


@contextmanager
def deployed(place: Path) -> Iterator[CacheService]:
    """Deploy a copy; take it down in the end."""
    folder = place / "cache-service"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / name, folder / name)
    port = ports.find_free()
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(_TABLE, f'{_TABLE}folder = "../state"\nport = {port}\n'))
    harbour.invoke(folder, "fetch")
    try:
        harbour.invoke(folder, "deploy")
        yield CacheService(folder=folder, port=port)
    finally:
        harbour.invoke(folder, "down")

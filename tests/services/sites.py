"""A service that is deployed on this machine by its own tasks, to be changed and asked."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.services import doomed, ports
from tests.services.harbour import LIBRARY, ROOT, invoke

from estiba import config
from estiba.lock import model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.disk import Disk
    from tests.services.machine import Machine

MARK = "Nothing is written yet."
PAGE = "harbour/templates/index.html"
POSTGRESQL = 15
"""Major version of the service's PostgreSQL, of Debian 12."""

PACKAGES = {"nginx": "nginx", "postgresql": f"postgresql-{POSTGRESQL}", "redis": "redis-server"}
SETTINGS = """
[tool.estiba.targets.local]
folder = "../state"
memory = "512MB"
migrate-limit = 30
port = {port}
ready-limit = 60
"""


@dataclass(frozen=True, kw_only=True)
class Site:
    """A service that is deployed on this machine, and changed.

    Attributes:
        folder: The service's.
        port: Where nginx listens.
        disk: What the target's folder is on, where that is a disk of its own.
        machine: What its commands run on, where that is not this machine.
    """

    folder: Path
    port: int
    disk: Disk | None = None
    machine: Machine | None = None

    @property
    def state(self) -> Path:
        """The target's folder."""
        return self.disk.path if self.disk else self.folder.parent / "state"

    def invoke(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a task."""
        place = self.disk or self.machine
        return invoke(self.folder, *arguments, check=check, inside=place.inside(self.folder) if place else ())

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run a task that must succeed and return what it says."""
        found: dict[str, Any] = json.loads(self.invoke(*arguments, "--json").stdout)
        return found

    def fail(self, *arguments: str) -> tuple[int, str]:
        """Run a task that must fail; return its exit code and what it said."""
        done = self.invoke(*arguments, check=False)
        assert done.returncode != 0, done.stdout + done.stderr
        return done.returncode, done.stderr

    def write(self, text: str) -> None:
        """Change what the page says."""
        page = self.folder / PAGE
        page.write_text(re.sub(r"<li>(?!<).*</li>", f"<li>{text}</li>", page.read_text()))

    def text(self) -> str:
        """Return the page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return str(answer.read().decode())

    def status(self) -> dict[str, Any]:
        """Return how the target is doing, ready or not."""
        found: dict[str, Any] = json.loads(self.invoke("status", "--json", check=False).stdout)
        return found

    def logbook(self) -> list[dict[str, Any]]:
        """Return all lines of the logbook."""
        return [json.loads(line) for line in (self.state / "logbook.jsonl").read_text().splitlines()]

    def kill(self, command: str, moment: str) -> None:
        """Run a command that is killed at a moment."""
        done = self._doom(command, moment)
        assert done.returncode == -signal.SIGKILL, done.stderr

    def choke(self, command: str, moment: str) -> tuple[int, str]:
        """Run a command whose disk is full from a moment on; return its exit code and what it said."""
        file = (self.disk.place if self.disk else self.state) / "filling"
        try:
            done = self._doom(command, moment, str(file))
        finally:
            (self.state / file.name).unlink()
        return done.returncode, done.stderr

    def change_servers(self, *names: str) -> None:
        """Change the lock so that the root of all servers is another one, and so is what some of them run from."""
        file = self.folder / "estiba.lock"
        lock = json.loads(before := file.read_text())
        needed = {name for deb in lock["debs"] for name in deb["depends"]} | set(PACKAGES.values())
        spare = next(
            deb
            for deb in lock["debs"]
            if "check" in deb["groups"] and "base" not in deb["groups"] and deb["name"] not in needed
        )
        others = [group for group in spare["groups"] if group != "check"]
        text = before.replace(f"{_line(spare)},\n", f"{_line({**spare, 'groups': others})},\n" if others else "")
        for deb in lock["debs"]:
            if deb["name"] in {PACKAGES[name] for name in names}:
                # One more package of the root is what it runs from.
                text = text.replace(_line(deb), _line({**deb, "depends": sorted({*deb["depends"], "base-files"})}))
        assert model.parse(text) != model.parse(before)
        file.write_text(text)

    def _doom(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        inside = self.disk.inside(ROOT) if self.disk else ()
        argv = [*inside, sys.executable, "-m", doomed.__name__, str(self.folder), *arguments]
        env = config.load().environment(ESTIBA_FLAKE=LIBRARY, PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
        return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, check=False)

    @property
    def pids(self) -> dict[str, int]:
        """The programs that run, by name."""
        status = self.status()
        up = {one["name"] for one in status["workloads"] if one["state"] == "up"}
        return {name: find_program(pid) for name, pid in status["details"]["pids"].items() if name in up}


def find_program(process: int) -> int:
    """Return the process that a starter looks after, or itself where it is the program."""
    place = Path("/proc", str(process))
    children = (place / "task" / str(process) / "children").read_text().split()
    if children and b"/bin/start.py" in (place / "cmdline").read_bytes():
        return find_program(int(children[0]))
    return process


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), sort_keys=True)


def copy(service: Path, target: Path) -> Site:
    """Copy the service, to be deployed on a port of its own."""
    folder = shutil.copytree(service, target / "harbour", symlinks=True, ignore=shutil.ignore_patterns(".estiba"))
    site = Site(folder=folder, port=ports.find_free())
    with (folder / "pyproject.toml").open("a") as file:
        file.write(SETTINGS.format(port=site.port))
    return site


@contextmanager
def deployed(service: Path, target: Path) -> Iterator[Site]:
    """Deploy a copy of the service; take it down in the end."""
    site = copy(service, target)
    try:
        site.run("deploy")
        yield site
    finally:
        invoke(site.folder, "down")


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """Deploy a service of any kind from its own folder and return its port; take it down in the end."""
    port = ports.find_free()
    with (folder / "pyproject.toml").open("a") as file:
        file.write(f'\n[tool.estiba.targets.local]\nfolder = "../state"\nport = {port}\n')
    try:
        invoke(folder, "deploy")
        yield port
    finally:
        invoke(folder, "down")


@contextmanager
def restored(site: Site) -> Iterator[None]:
    """Put a service's sources back as they are now."""
    before = {path: path.read_bytes() for path in site.folder.rglob("*.py")}
    yield
    for path in site.folder.rglob("*.py"):
        if path not in before:
            path.unlink()
    for path, content in before.items():
        path.write_bytes(content)

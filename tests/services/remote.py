"""A service that its own tasks deploy to another machine, to be changed and asked."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.services import ports, sites
from tests.services.harbour import LIBRARY, ROOT

from estiba import config

if TYPE_CHECKING:
    from tests.services.sshd import Server

TARGET: Final = ("--target", "production")
SETTINGS: Final = """
[tool.estiba.targets.production]
ssh = "{destination}"
env-file = "../secrets"
memory = "512MB"
port = {port}
"""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A service and the server that it is deployed to.

    Attributes:
        folder: The service's.
        server: The server.
        port: Where nginx listens there.
        cache: Cache folder of the commands, with the socket of their connection.
    """

    folder: Path
    server: Server
    port: int
    cache: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a task, with an ssh that knows the server."""
        path = f"{self.server.programs}:{config.load().variables['PATH']}"
        env = config.load().environment(
            ESTIBA_FLAKE=LIBRARY, PYTHONPATH=str(ROOT / "src"), PATH=path, ESTIBA_CACHE_DIR=str(self.cache)
        )
        # What comes after `--` is not the task's.
        argv = [sys.executable, "-m", "invoke", arguments[0], *TARGET, *arguments[1:]]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            argv, cwd=self.folder, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Run a task and return what it prints."""
        with self.start(*arguments) as child:
            out, err = child.communicate()
        assert child.returncode == code, out + err
        return out, err

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run a task that prints JSON."""
        found: dict[str, Any] = json.loads(self.run(*arguments, "--json")[0])
        return found

    def text(self) -> str:
        """Return the page."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as answer:
            return str(answer.read().decode())

    def write(self, text: str) -> None:
        """Change what the page says."""
        page = self.folder / sites.PAGE
        page.write_text(re.sub(r"<li>(?!<).*</li>", f"<li>{text}</li>", page.read_text()))

    def logbook(self) -> list[dict[str, Any]]:
        """Return the server's logbook."""
        file = self.server.home / ".local/state/estiba/harbour/production/logbook.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()]

    def commands(self) -> set[str]:
        """Return the names of the commands that the server was given."""
        return {path.name for path in (self.server.home / ".local/state/estiba/.commands").iterdir()}

    def kill_clients(self) -> int:
        """Kill all processes of ssh that talk to this server, and return how many there were.

        The one that others share their connection with is among them.
        """
        mark = str(self.server.root.parent).encode()
        lines = {int(path.name): read_line(path) for path in Path("/proc").glob("[0-9]*")}
        clients = {number: line for number, line in lines.items() if b"/ssh\0-F\0" in line or line.startswith(b"ssh: ")}
        killed = 0
        for number in (number for number, line in clients.items() if mark in line):
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
                killed += 1
        return killed


def read_line(process: Path) -> bytes:
    """Return the command line of a process, empty where it has ended since."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def make(service: Path, target: Path, server: Server) -> Remote:
    """Copy a service, to be deployed to a server on a port of its own.

    Args:
        service: The service.
        target: An empty folder for the copy.
        server: The server.
    """
    folder, port = target / "harbour", ports.find_free()
    shutil.copytree(service, folder, symlinks=True, ignore=shutil.ignore_patterns(".estiba"))
    (target / "secrets").write_text("TOKEN=not-for-others\n")
    pyproject = folder / "pyproject.toml"
    text = re.sub(r"\[tool\.estiba\.targets\.production\]\n(?:[^[].*\n)*", "", pyproject.read_text())
    pyproject.write_text(text + SETTINGS.format(destination=server.destination, port=port))
    return Remote(folder=folder, server=server, port=port, cache=server.folder / "c")

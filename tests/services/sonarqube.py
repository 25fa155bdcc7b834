"""A real SonarQube on a loopback port, and its scanner: Maven Central's files, run by Debian's Java."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from tests.services import java, ports

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVER: Final = "org.sonarsource.sonarqube:sonar-application:9.9.0.65466:zip"
_SCANNER: Final = "org.sonarsource.scanner.cli:sonar-scanner-cli:5.0.1.3006:jar"
"""The last one for servers of 9.9; later scanners download their engine from their vendor."""
_LIMIT: Final = 600
_CREDENTIALS: Final = ("admin", "admin")
_MEMORY: Final = {"ce": "-Xmx512m -Xms128m", "search": "-Xmx512m -Xms512m", "web": "-Xmx512m -Xms128m"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SonarQube:
    """SonarQube server.

    Attributes:
        port: Where it listens.
        folder: Folder of the server, and of the scanner's files.
    """

    port: int
    folder: Path

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def post(self, path: str, **parameters: str) -> dict[str, Any]:
        """Call the API as the administrator."""
        answer = requests.post(f"{self.url}/api/{path}", data=parameters, auth=_CREDENTIALS, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def scan(self, source: Path, key: str, token: str) -> None:
        """Analyse a folder, which is a git repository, as a project."""
        home, copy = self.folder / "scanner", self.folder / key
        home.mkdir(exist_ok=True)
        shutil.copytree(source, copy)
        jar = shutil.copy(java.fetch(_SCANNER), home)
        _own(home, copy)
        options = {
            "sonar.host.url": self.url,
            "sonar.login": token,
            "sonar.projectBaseDir": str(copy),
            "sonar.projectKey": key,
            "sonar.python.version": "3.11",
            "sonar.sources": ".",
            "sonar.userHome": str(home),
            "sonar.working.directory": str(home / key),
        }
        words = [*(f"-D{name}={value}" for name, value in options.items()), "-cp", str(jar)]
        argv = java.command([*words, "org.sonarsource.scanner.cli.Main"])
        done = subprocess.run(argv, cwd=copy, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def run() -> Iterator[SonarQube]:
    """Run a server with no project; stop it at the end of the block."""
    # Not in a folder of pytest, which it closes to all others whenever it starts.
    with tempfile.TemporaryDirectory(prefix="estiba-sonarqube-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with _serve(folder) as server:
            yield server


@contextlib.contextmanager
def _serve(folder: Path) -> Iterator[SonarQube]:
    home = _unpack(folder)
    port, search, es = ports.find_free(), ports.find_free(), ports.find_free()
    options = {
        "sonar.es.port": es,
        "sonar.search.javaAdditionalOpts": "-Dnode.store.allow_mmap=false",
        "sonar.search.port": search,
        "sonar.telemetry.enable": "false",
        "sonar.updatecenter.activate": "false",
        "sonar.web.host": "127.0.0.1",
        "sonar.web.port": port,
        **{f"sonar.{name}.javaOpts": memory for name, memory in _MEMORY.items()},
    }
    lines = "".join(f"{name}={value}\n" for name, value in options.items())
    (home / "conf" / "sonar.properties").write_text(lines)
    (jar,) = (home / "lib").glob("sonar-application-*.jar")
    _own(home)
    server = SonarQube(port=port, folder=folder)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(java.command(["-Xmx64m", "-jar", str(jar)]), cwd=home, stdout=log, stderr=log)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        process.wait(60)


def _wait(server: SonarQube, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(requests.RequestException, ValueError):
            if requests.get(f"{server.url}/api/system/status", timeout=5).json()["status"] == "UP":
                return
        time.sleep(0.5)
    message = f"SonarQube is not up after {_LIMIT} s\n{(server.folder / 'log').read_text()[-4000:]}"
    raise RuntimeError(message)


def _own(*folders: Path) -> None:
    """Give folders to the user of the server."""
    subprocess.run(["chown", "--recursive", f"{java.USER}:{java.USER}", *map(str, folders)], check=True)


def _unpack(folder: Path) -> Path:
    with zipfile.ZipFile(java.fetch(_SERVER)) as archive:
        archive.extractall(folder)
    (home,) = folder.glob("sonarqube-*")
    for program in (*home.glob("elasticsearch/bin/*"), *home.glob("elasticsearch/modules/**/bin/*")):
        program.chmod(0o755)
    return home

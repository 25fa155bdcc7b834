"""A real Keycloak on a loopback port, with a realm, a client and a person: from Maven Central, run by Debian's Java."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from tests.services import java

from estiba import config, files

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET: Final = "of-the-client-and-of-nobody-else"
PERSON: Final = {"username": "ada", "email": "ada@example.org", "firstName": "Ada", "lastName": "Lovelace"}
PASSWORD: Final = "correct horse battery"
_SERVER: Final = "org.keycloak:keycloak-quarkus-dist:26.5.6:zip"
_MEMORY: Final = ("-Xms64m", "-Xmx384m", "-XX:TieredStopAtLevel=1")
_MAIN: Final = "io.quarkus.bootstrap.runner.QuarkusEntryPoint"
_BUILT: Final = 10
"""Exit code that asks for a second start, as `bin/kc.sh` has it."""

_LIMIT: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keycloak:
    """Keycloak, which may be starting still.

    Attributes:
        port: Where it listens.
        process: Its process.
        log: What it says.
    """

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def issuer(self) -> str:
        """The address of its realm."""
        return f"http://127.0.0.1:{self.port}/realms/staff"

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            RuntimeError: It does not; the message has the end of its log.
        """
        deadline = time.monotonic() + _LIMIT
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=5).ok:
                    return
            time.sleep(0.2)
        message = f"Keycloak is not up:\n{self.log.read_text()[-4000:]}"
        raise RuntimeError(message)


@contextlib.contextmanager
def starting(port: int, service: str, client: str) -> Iterator[Keycloak]:
    """Start Keycloak, and end it at the end of the block.

    Args:
        port: Where it is to listen.
        service: Address of the service whose people log in.
        client: Name of the service in Keycloak.
    """
    # Not in a folder of pytest, which it closes to all others whenever it starts.
    with tempfile.TemporaryDirectory(prefix="estiba-keycloak-") as name:
        home = shutil.copytree(_bring(), Path(name, "keycloak"), symlinks=True)
        realm = home / "data" / "import" / "staff.json"
        realm.parent.mkdir(parents=True)
        realm.write_text(json.dumps(_say_realm(service, client)))
        _own(Path(name))
        log = Path(name, "log")
        with log.open("wb") as output:
            words = _words(home, port, built="true")
            process = subprocess.Popen(java.command(words), cwd=home, stdout=output, stderr=output)
        try:
            yield Keycloak(port=port, process=process, log=log)
        finally:
            process.terminate()
            process.wait(60)


def _bring() -> Path:
    """Return a folder of Keycloak as its first start leaves it, which takes longer than all later ones."""
    cache = config.load().cache_dir / "tests"
    kept = cache / _SERVER.split(":", 1)[1].replace(":", "-")
    cache.mkdir(parents=True, exist_ok=True)
    with files.lock(cache / "keycloak.lock", wait=True):
        if not kept.exists():
            with tempfile.TemporaryDirectory(prefix="estiba-keycloak-") as name:
                with zipfile.ZipFile(java.fetch(_SERVER)) as archive:
                    archive.extractall(name)
                (home,) = Path(name).glob("keycloak-*")
                _own(Path(name))
                argv = java.command(_words(home, 0, built="false"))
                done = subprocess.run(argv, cwd=home, capture_output=True, text=True, check=False)
                assert done.returncode == _BUILT, done.stdout + done.stderr
                shutil.rmtree(kept.with_suffix(".part"), ignore_errors=True)
                shutil.copytree(home, kept.with_suffix(".part"), symlinks=True).rename(kept)
    return kept


def _own(folder: Path) -> None:
    """Let the user that Java runs as have a folder, and everybody find it."""
    folder.chmod(0o755)
    subprocess.run(["chown", "--recursive", f"{java.USER}:{java.USER}", str(folder)], check=True)


def _words(home: Path, port: int, *, built: str) -> list[str]:
    """Return Java's arguments, as `bin/kc.sh start-dev` makes them: once to build what runs, and once to run it."""
    options = {
        "kc.config.built": built,
        "kc.home.dir": str(home),
        "java.io.tmpdir": str(home),
        "java.util.logging.manager": "org.jboss.logmanager.LogManager",
        "jboss.server.config.dir": str(home / "conf"),
        "picocli.disable.closures": "true",
    }
    flags = [*_MEMORY, *(f"-D{name}={value}" for name, value in options.items())]
    command = ["start-dev", "--import-realm", "--cache=local", "--http-host=127.0.0.1", f"--http-port={port}"]
    return [*flags, "-cp", str(home / "lib" / "quarkus-run.jar"), _MAIN, *command]


def _say_realm(service: str, client: str) -> dict[str, Any]:
    """Return a realm in Keycloak's format for imports."""
    credentials = [{"type": "password", "value": PASSWORD, "temporary": False}]
    return {
        "realm": "staff",
        "enabled": True,
        "clients": [{"clientId": client, "secret": SECRET, "redirectUris": [f"{service}/*"], "enabled": True}],
        "users": [{**PERSON, "enabled": True, "emailVerified": True, "credentials": credentials}],
    }

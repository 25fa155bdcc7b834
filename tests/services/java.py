"""Java of Debian, and programs for it from Maven Central."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian

import keystore
from estiba import config, files

if TYPE_CHECKING:
    from collections.abc import Sequence

USER: Final = 65534
"""Number of the user that programs run as: Elasticsearch, which SonarQube brings, refuses to run as root."""

_JAVA: Final = "openjdk-17-jre-headless"
_COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"
_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_QUIET: Final = "JDK_JAVA_OPTIONS=-XX:-UsePerfData"
"""Java writes figures about itself to /tmp otherwise, wherever TMPDIR is."""


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command of Debian's Java as a user without rights, who may read what the tests give him."""
    user = [
        "setpriv",
        f"--reuid={USER}",
        f"--regid={USER}",
        "--clear-groups",
        "env",
        "-i",
        "PATH=/usr/bin:/bin",
        _QUIET,
    ]
    (home,) = debian.unpack(_JAVA).glob("usr/lib/jvm/java-17-openjdk-*")
    return [*debian.inside(_JAVA), *user, f"/usr/lib/jvm/{home.name}/bin/java", *arguments]


def fetch(artifact: str) -> Path:
    """Return a file of Maven Central, fetched by Maven as it is configured here, and kept in the user's cache."""
    _, name, version, kind = artifact.split(":")
    folder = config.load().cache_dir / "tests" / "maven"
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{name}-{version}.{kind}"
    with files.lock(folder / ".lock", wait=True):
        if not kept.exists():
            scratch = folder / "part"
            shutil.rmtree(scratch, ignore_errors=True)
            # A Java that is only unpacked trusts nobody.
            pems = _AUTHORITIES.read_bytes().split(b"-----BEGIN")[1:]
            store = folder / "authorities.jks"
            store.write_bytes(keystore.write({f"{number}.crt": b"-----BEGIN" + pem for number, pem in enumerate(pems)}))
            trust = f"MAVEN_OPTS=-Djavax.net.ssl.trustStore={store}"
            argv = ["env", _QUIET, trust, *_maven(), "--batch-mode", "--quiet", _COPY, f"-Dartifact={artifact}"]
            argv += [f"-DoutputDirectory={scratch}", f"-Dmaven.repo.local={scratch / 'repository'}"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (scratch / kept.name).replace(kept)
            shutil.rmtree(scratch)
    return kept


def _maven() -> list[str]:
    if shutil.which("mvn"):
        return ["mvn"]
    (home,) = debian.unpack("maven", _JAVA).glob("usr/lib/jvm/java-17-openjdk-*")
    words = debian.inside("maven", _JAVA)
    return [*words, "env", f"JAVA_HOME=/usr/lib/jvm/{home.name}", "/usr/share/maven/bin/mvn"]

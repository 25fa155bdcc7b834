"""An archive of Debian packages on a loopback port, signed with a key of its own."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import subprocess
import threading
from typing import TYPE_CHECKING, Final

from tests import debfile
from tests.services import debian

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.debfile import Member

SUITE: Final = "shipyard"
_USER: Final = "shipyard@example.org"
_RELEASE: Final = "Origin: Shipyard\nSuite: {suite}\nCodename: {suite}\nVersion: 7\nArchitectures: amd64 arm64\n"


class Archive:
    """An archive in a folder, with one component, `main`.

    Attributes:
        folder: What is served.
        key: Its public key, in ASCII.
    """

    def __init__(self, folder: Path) -> None:
        """Make a key, and an empty archive."""
        self.folder = folder / "archive"
        self.key = folder / "shipyard.asc"
        self._home = folder / "gnupg"
        self._home.mkdir(mode=0o700)
        self._tree = debian.unpack("gpg", "gpg-agent")
        self._agent = debian.script(self._tree, "gpg-agent", folder)
        self._gpg("--passphrase", "", "--quick-generate-key", _USER, "ed25519", "sign", "never")
        self._gpg("--output", str(self.key), "--armor", "--export", _USER)

    def publish(self, name: str, members: Sequence[Member]) -> None:
        """Publish a package for all architectures, in the place of all others."""
        pool = self.folder / "pool/main" / name[:1] / name
        pool.mkdir(parents=True)
        path = debfile.write(pool / f"{name}_1.0_all.deb", members, compression="zst", compress=compress)
        content = path.read_bytes()
        paragraph = (
            f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: none\nDescription: of the tests\n"
            f"Filename: {path.relative_to(self.folder)}\nSize: {len(content)}\n"
            f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
        ).encode()
        top = self.folder / "dists" / SUITE
        lines = []
        for architecture in ("amd64", "arm64"):
            index = top / f"main/binary-{architecture}/Packages"
            index.parent.mkdir(parents=True)
            index.write_bytes(paragraph)
            lines.append(f" {hashlib.sha256(paragraph).hexdigest()} {len(paragraph)} {index.relative_to(top)}\n")
        release = (
            _RELEASE.format(suite=SUITE)
            + f"Components: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n{''.join(lines)}"
        )
        (top / "Release").write_text(release)
        self._gpg("--output", str(top / "InRelease"), "--clearsign", str(top / "Release"))

    def _gpg(self, *words: str) -> None:
        options = ["--homedir", str(self._home), "--agent-program", str(self._agent), "--batch", "--yes"]
        subprocess.run([*debian.words(self._tree, "gpg"), *options, *words], check=True, capture_output=True)


@contextlib.contextmanager
def serve(archive: Archive) -> Iterator[str]:
    """Serve the archive while the block runs, and yield its URI."""
    handler = functools.partial(_Quiet, directory=str(archive.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def compress(content: bytes) -> bytes:
    """Compress as Ubuntu does, which Debian does not."""
    words = debian.words(debian.unpack("zstd"), "zstd")
    return subprocess.run([*words, "--stdout"], input=content, stdout=subprocess.PIPE, check=True).stdout


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Say nothing."""

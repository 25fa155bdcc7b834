"""Debian's `docker-registry`, on a loopback port with its own folder."""

from __future__ import annotations

import json
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.services import ports

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class RunningRegistry:
    """A registry that listens.

    Attributes:
        port: Its port on the loopback interface.
        folder: Its configuration, blobs and log.
    """

    port: int
    folder: Path

    @property
    def host(self) -> str:
        """The host part of references to it."""
        return f"localhost:{self.port}"

    def requests(self) -> list[str]:
        """Return method and path of every request so far, from the registry's own log."""
        found = []
        for line in (self.folder / "log").read_text().splitlines():
            if '"' in line and " HTTP/1." in line and not line.startswith("time="):
                method, path, _ = line.split('"')[1].split(" ", 2)
                found.append(f"{method} {path.partition('?')[0]}")
        return found

    def blob_files(self, repository: str) -> set[str]:
        """Return the digests of the blobs that a repository has, from its folder."""
        links = (self.folder / "data/docker/registry/v2/repositories" / repository / "_layers/sha256").glob("*/link")
        return {link.read_text() for link in links}

    def drop_blob(self, digest_hex: str) -> None:
        """Remove a blob's bytes behind the registry's back, as a careless garbage collection does."""
        shutil.rmtree(self.folder / "data/docker/registry/v2/blobs/sha256" / digest_hex[:2] / digest_hex)


@contextmanager
def run(root: Path, folder: Path, *, auth: Mapping[str, Any] | None = None, port: int = 0) -> Iterator[RunningRegistry]:
    """Run the registry that was unpacked into `root` until the end of the block.

    Args:
        root: The unpacked package.
        folder: A folder for its files.
        auth: The `auth` section of its configuration.
        port: Its port; a free one by default.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = port or ports.find_free()
    settings = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"127.0.0.1:{chosen}", "secret": "of-tests", "relativeurls": True},
        **({"auth": auth} if auth else {}),
    }
    # YAML is a superset of JSON.
    (folder / "config.yml").write_text(json.dumps(settings))
    argv = [str(root / "usr/bin/docker-registry"), "serve", str(folder / "config.yml")]
    with (folder / "log").open("ab") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            ports.wait_for(chosen, process)
            yield RunningRegistry(port=chosen, folder=folder)
        finally:
            process.terminate()
            process.wait()

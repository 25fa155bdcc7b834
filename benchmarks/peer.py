"""The other side: `docker build` from a Debian base, with the same wheels at hand."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian

from estiba.config import environment
from estiba.lock import sources
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT: Final = next(filter(os.path.exists, ["/usr/bin/docker"]), "docker")
"""The distribution's own client builds with BuildKit as it is; others want a plug-in for that."""

BASE: Final = "estiba-peer-base"
IMAGE: Final = "estiba-peer"
_SUITE: Final = "trixie"
_PACKAGES: Final = ("python3", "python3-venv")
# What Debian's own slim images leave out.
_SLIM: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)


class Peer:
    """A build context and the engine that builds it."""

    def __init__(self, folder: Path, engine: str) -> None:
        self._folder = folder
        self._context = folder / "context"
        self._environment: Mapping[str, str] = environment(DOCKER_HOST=engine, DOCKER_BUILDKIT="1")

    def prepare(self, app: Path, wheels: Mapping[str, Path]) -> None:
        """Make the base image and the build context.

        Args:
            app: The service, with its `requirements-lock.txt`.
            wheels: File names and where their bytes are.
        """
        (self._context / "wheels").mkdir(parents=True)
        for name, path in wheels.items():
            shutil.copy(path, self._context / "wheels" / name)
        shutil.copy(Path(__file__).parent / "peer" / "Dockerfile", self._context)
        shutil.copy(app / "requirements-lock.txt", self._context)
        self._make_base()
        self._docker("import", str(self._folder / "base.tar"), BASE)
        self.take(app)

    def take(self, app: Path) -> None:
        """Copy the service into the context, without version control."""
        shutil.rmtree(self._context / "app", ignore_errors=True)
        shutil.copytree(app, self._context / "app", ignore=shutil.ignore_patterns(".git", ".estiba"))

    def build(self, *options: str) -> None:
        """Build the image; containers have no network here, and need none."""
        self._docker("build", "--network", "none", "--quiet", "--tag", IMAGE, *options, str(self._context))

    def push(self, host: str) -> dict[str, int]:
        """Push the image and return the compressed sizes of its layers by digest."""
        name = f"{host}/{IMAGE}:latest"
        self._docker("tag", IMAGE, name)
        self._docker("push", "--quiet", name)
        listed = run(["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}"]).stdout
        return {layer["digest"]: layer["size"] for layer in json.loads(listed)["layers"]}

    def _docker(self, *words: str) -> str:
        return run([CLIENT, *words], env=self._environment).stdout

    def _make_base(self) -> None:
        """Bootstrap Debian's smallest system, and download what the Dockerfile installs into it."""
        root = debian.unpack("mmdebstrap", self._folder / "mmdebstrap")
        listed = self._folder / "debian.sources"
        listed.write_text(sources.render(sources.load(), suite=_SUITE, pockets=("main", "updates", "security")))
        debs = self._context / "debs"
        debs.mkdir()
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "--download-only", *_PACKAGES]
        hooks = (
            'chroot "$1" apt-get clean',
            f'chroot "$1" {" ".join(install)}',
            f"copy-out /var/cache/apt/archives {debs}",
        )
        words = [*(f"--dpkgopt={option}" for option in _SLIM), *(f"--customize-hook={hook}" for hook in hooks)]
        variant = ["--variant=minbase", "--mode=root", "--include=ca-certificates"]
        path = f"{root / 'usr/bin'}:{environment()['PATH']}"
        target = [_SUITE, str(self._folder / "base.tar"), str(listed)]
        run(["perl", str(root / "usr/bin/mmdebstrap"), *variant, *words, *target], env=environment(PATH=path))
        for file in (debs / "archives").glob("*.deb"):
            file.rename(debs / file.name)
        shutil.rmtree(debs / "archives")

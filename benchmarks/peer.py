"""The other side: `docker build` from a Debian base, by careful people and by most, with the same wheels at hand."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.services import debian
from tests.services.engine import PACKAGE

from estiba import config
from estiba.lock.artifacts import Artifacts
from estiba.lock.debian import sources
from estiba.lock.python import uv
from estiba.process import run
from estiba.service.debian import Release

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUITE: Final = "trixie"
# What Debian's own slim images leave out.
_SLIM: Final = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/man/*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One way of writing a Dockerfile.

    Attributes:
        name: What the page calls it.
        file: The ending of its Dockerfile.
        packages: What apt installs while the image is built.
        present: What the base image has beyond Debian's minimum.
        apt: Options of the installation.
        dpkg: Options of dpkg in the base image.
    """

    name: str
    file: str
    packages: tuple[str, ...] = ()
    present: tuple[str, ...] = ("ca-certificates",)
    apt: tuple[str, ...] = ("--no-install-recommends",)
    dpkg: tuple[str, ...] = ()


_PLAIN: Final = ("python3", "python3-pip", "python3-venv")
VARIANTS: Final = (
    Variant(name="recommended", file="plain", packages=_PLAIN, apt=("--install-recommends",)),
    Variant(name="plain", file="plain", packages=_PLAIN),
    Variant(name="careful", file="careful", packages=("python3", "python3-venv"), dpkg=_SLIM),
    Variant(name="uv", file="uv", present=("ca-certificates", "python3"), dpkg=_SLIM),
)


class Peer:
    """A build context and the engine that builds it."""

    def __init__(self, folder: Path, engine: str, variant: Variant) -> None:
        self._folder = folder
        self._context = folder / "context"
        self._variant = variant
        self._image = f"estiba-peer-{variant.name}"
        self._environment: Mapping[str, str] = config.load().environment(DOCKER_HOST=engine, DOCKER_BUILDKIT="1")

    def prepare(self, app: Path, wheels: Mapping[str, Path]) -> None:
        """Make the base image and the build context.

        Args:
            app: The service, with its `requirements-lock.txt`.
            wheels: File names and where their bytes are.
        """
        (self._context / "wheels").mkdir(parents=True)
        for name, path in wheels.items():
            shutil.copy(path, self._context / "wheels" / name)
        dockerfile = Path(__file__).parent / "peer" / f"Dockerfile.{self._variant.file}"
        shutil.copy(dockerfile, self._context / "Dockerfile")
        shutil.copy(app / "requirements-lock.txt", self._context)
        settings = config.load()
        program = uv.prepare(Path(sys.executable), Artifacts(settings.cache_dir / "artifacts"), settings)
        shutil.copy(program, self._context / "uv")
        self._make_base()
        self._docker("import", str(self._folder / "base.tar"), f"{self._image}-base")
        self.take(app)

    def take(self, app: Path) -> None:
        """Copy the service into the context, without version control."""
        shutil.rmtree(self._context / "app", ignore_errors=True)
        shutil.copytree(app, self._context / "app", ignore=shutil.ignore_patterns(".git", ".estiba"))

    def build(self, *options: str) -> None:
        """Build the image; containers have no network here, and need none."""
        words = ["--network", "none", "--quiet", "--build-arg", f"BASE={self._image}-base", "--tag", self._image]
        self._docker("build", *words, *options, str(self._context))

    def push(self, host: str) -> dict[str, int]:
        """Push the image and return the compressed sizes of its layers by digest."""
        name = f"{host}/{self._image}:latest"
        self._docker("tag", self._image, name)
        self._docker("push", "--quiet", name)
        listed = run(["skopeo", "inspect", "--tls-verify=false", "--raw", f"docker://{name}"]).stdout
        return {layer["digest"]: layer["size"] for layer in json.loads(listed)["layers"]}

    def _docker(self, *words: str) -> str:
        return run([*debian.inside(PACKAGE), "docker", *words], env=self._environment).stdout

    def _make_base(self) -> None:
        """Bootstrap the base image, and download what the Dockerfile installs into it."""
        root = debian.unpack("mmdebstrap")
        listed = self._folder / "debian.sources"
        listed.write_text(
            sources.render(
                sources.choose(
                    Release(folder=self._folder, suite=_SUITE, pockets=("main", "updates", "security")),
                    config.load().apt_sources,
                )
            )
        )
        debs = self._context / "debs"
        debs.mkdir()
        install = ["apt-get", "install", "--yes", "--download-only", *self._variant.apt, *self._variant.packages]
        fetched = [f'chroot "$1" {" ".join(install)}'] if self._variant.packages else []
        hooks = ('chroot "$1" apt-get clean', *fetched, f"copy-out /var/cache/apt/archives {debs}")
        words = [
            *(f"--dpkgopt={option}" for option in self._variant.dpkg),
            *(f"--customize-hook={hook}" for hook in hooks),
        ]
        variant = ["--variant=minbase", "--mode=root", f"--include={','.join(self._variant.present)}"]
        path = f"{root / 'usr/bin'}:{config.load().variables['PATH']}"
        target = [_SUITE, str(self._folder / "base.tar"), str(listed)]
        run(
            ["perl", str(root / "usr/bin/mmdebstrap"), *variant, *words, *target],
            env=config.load().environment(PATH=path),
        )
        for file in (debs / "archives").glob("*.deb"):
            file.rename(debs / file.name)
        shutil.rmtree(debs / "archives")

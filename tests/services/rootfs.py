"""The root file system of an image, unpacked into a folder, and programs that run in it."""

from __future__ import annotations

import json
import subprocess
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.services import debian

from estiba.image import layout, tar_stream
from estiba.image.manifest import Platform

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.image.manifest import Layer

EMULATOR: Final = "qemu-aarch64-static"
# Header and mask of a 64-bit little-endian ELF program for AArch64, as QEMU's own registration has them.
_MAGIC: Final = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK: Final = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
# $1: the root; $2: an entry for the table of emulators or nothing; from $3: the command.
_ENTER: Final = """
set -e
mount --rbind /dev "$1/dev"
mount --rbind /proc "$1/proc"
if [ -n "$2" ] && ! [ -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
  mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
  printf %s "$2" >/proc/sys/fs/binfmt_misc/register
fi
top=$1; shift 2
exec chroot "$top" "$@"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFs:
    """An unpacked image.

    Attributes:
        top: Where it is.
        environment: The variables that the image sets.
        emulator: What runs its programs, or None where this machine does.
    """

    top: Path
    environment: dict[str, str]
    emulator: Path | None = None

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it, as the root of a user namespace of its own, and fail when it fails."""
        # Private to this namespace (Linux 6.7 and newer): the machine's own table stays as it is.
        entry = f":qemu-aarch64:M::{_MAGIC}:{_MASK}:{self.emulator}:F" if self.emulator else ""
        space = ["unshare", "--user", "--map-root-user", "--mount", "--fork"]
        command = [*space, "sh", "-c", _ENTER, "enter", str(self.top), entry, *argv]
        # unshare and chroot are this machine's.
        env = {**self.environment, "PATH": f"{self.environment['PATH']}:/usr/sbin:/sbin"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done

    def python(self, code: str) -> str:
        """Run Python code in the image's environment and return what it prints."""
        return self.run("/opt/venv/bin/python", "-c", code).stdout.strip()


def unpack(image: Path, top: Path, *, architecture: str = "amd64") -> RootFs:
    """Unpack one platform's image of a layout, layer by layer."""
    read = layout.read(image)
    chosen = read.image(Platform(os="linux", architecture=architecture))
    for layer in chosen.layers:
        for member, archive in members(read, layer):
            archive.extract(member, top)
    config = json.loads(read.blob(chosen.manifest.config.digest).read_bytes())["config"]
    environment = dict(line.split("=", 1) for line in config["Env"])
    emulator = debian.unpack("qemu-user-static") / "usr/bin" / EMULATOR if architecture == "arm64" else None
    return RootFs(top=top, environment=environment, emulator=emulator)


def members(read: layout.Layout, layer: Layer) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """Yield what is in a layer, in its order."""
    with (
        tar_stream.opened(read.blob(layer.blob.digest), layer.blob) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        for member in archive:
            yield member, archive

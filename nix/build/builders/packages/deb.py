"""Debian binary packages (deb(5)): an ar archive with a control and a data tarball."""

import io
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import expansion

_MAGIC = b"!<arch>\n"
_HEADER = 60


def members(archive: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the names and contents of an ar archive's members.

    Raises:
        ValueError: The bytes are not an ar archive.
    """
    if not archive.startswith(_MAGIC):
        msg = "not a Debian package: no ar magic"
        raise ValueError(msg)
    position = len(_MAGIC)
    while position + _HEADER <= len(archive):
        header = archive[position : position + _HEADER]
        if not header[48:58].strip().isdigit():
            msg = "not a Debian package: a member without a size"
            raise ValueError(msg)
        size = int(header[48:58])
        start = position + _HEADER
        yield header[:16].decode().strip().rstrip("/"), archive[start : start + size]
        position = start + size + size % 2


def tarballs(path: Path) -> tuple[tarfile.TarFile, tarfile.TarFile]:
    """Open the control and data tarballs of a package.

    Raises:
        ValueError: The file is not a Debian package, is compressed with something other than xz, gzip, bzip2 or zstd,
            or unpacks to far more than a real one of its size.
    """
    found = {
        name.partition(".tar")[0]: _decompress(path.name, content) if name.endswith(".zst") else content
        for name, content in members(path.read_bytes())
        if ".tar" in name
    }
    try:
        return tarfile.open(fileobj=io.BytesIO(found["control"])), tarfile.open(fileobj=io.BytesIO(found["data"]))
    except (KeyError, tarfile.ReadError) as error:
        msg = f"{path.name}: not a Debian package that this library can read: {error}"
        raise ValueError(msg) from error


def _decompress(package: str, content: bytes) -> bytes:
    """Decompress what Ubuntu's packages are compressed with, by the program beside the builders' Python."""
    own = Path(os.__file__).parents[2] / "bin/zstd"
    argv = [str(own) if own.exists() else "zstd", "--decompress", "--stdout", "--quiet"]
    with tempfile.TemporaryFile() as packed:
        packed.write(content)
        packed.seek(0)
        with subprocess.Popen(argv, stdin=packed, stdout=subprocess.PIPE) as program:
            unpacked = program.stdout.read(expansion.limit(len(content)) + 1) if program.stdout else b""
            program.kill()
    expansion.check(package, packed=len(content), unpacked=len(unpacked))
    return unpacked


def control(tarball: tarfile.TarFile) -> dict[str, bytes]:
    """Return the control files by name, such as `control` and `md5sums`."""
    files = {}
    for member in tarball:
        if member.isfile() and (content := tarball.extractfile(member)):
            files[member.name.removeprefix("./")] = content.read()
    return files


def read_control(path: Path) -> dict[str, bytes]:
    """Return the control files of a package by name; see `control`."""
    tarball, data = tarballs(path)
    with tarball, data:
        return control(tarball)

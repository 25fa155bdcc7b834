"""Writes small Debian packages, member by member."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_COMPRESSORS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "bz2": bz2.compress,
    "gz": gzip.compress,
    "xz": lzma.compress,
}


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file, or a folder, symbolic link or hard link of a tar archive."""

    path: str
    content: bytes = b""
    mode: int = 0o644
    kind: bytes = tarfile.REGTYPE
    target: str = ""


def folder(path: str) -> Member:
    """Make a folder."""
    return Member(path=path, mode=0o755, kind=tarfile.DIRTYPE)


def symlink(path: str, target: str) -> Member:
    """Make a symbolic link."""
    return Member(path=path, mode=0o777, kind=tarfile.SYMTYPE, target=target)


def hardlink(path: str, target: str) -> Member:
    """Make a hard link to an earlier member."""
    return Member(path=path, kind=tarfile.LNKTYPE, target=target)


def tarball(members: Sequence[Member], compression: str = "xz") -> bytes:
    """Return a compressed tar archive, owned by nobody in particular and made at some time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            header = tarfile.TarInfo(member.path)
            header.size, header.mode, header.type = len(member.content), member.mode, member.kind
            header.linkname, header.mtime, header.uid, header.uname = member.target, 1_700_000_000, 42, "shadow"
            archive.addfile(header, io.BytesIO(member.content))
    return _COMPRESSORS[compression](buffer.getvalue())


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an ar archive in the form that deb(5) asks for."""
    parts = [b"!<arch>\n"]
    for name, content in members:
        header = f"{name:<16}{1_700_000_000:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
        parts += [header.encode(), content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


def write(
    path: Path,
    members: Sequence[Member],
    *,
    name: str = "",
    md5sums: bytes = b"",
    postinst: bytes = b"",
    compression: str = "xz",
) -> Path:
    """Write a package with these files and return where it is.

    Args:
        path: The file, `NAME_VERSION_ARCHITECTURE.deb`.
        members: Its files.
        name: The package's name; that of the file by default.
        md5sums: Its list of checksums, if it is to have one.
        postinst: Its script to run after it was unpacked, if it is to have one.
        compression: Of both tarballs: `xz`, `gz` or `bz2`.
    """
    package, version, architecture = path.stem.split("_")
    text = f"Package: {name or package}\nVersion: {version}\nArchitecture: {architecture}\n"
    control = [Member(path="./control", content=text.encode())]
    control += [Member(path="./md5sums", content=md5sums)] if md5sums else []
    control += [Member(path="./postinst", content=postinst, mode=0o755)] if postinst else []
    parts = [("debian-binary", b"2.0\n")]
    parts += [(f"control.tar.{compression}", tarball(control, compression))]
    parts += [(f"data.tar.{compression}", tarball(members, compression))]
    path.write_bytes(ar(parts))
    return path

"""Archives of source trees, which are the same for the same files: tar without owners, times and compression."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from estiba.digest import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from estiba.lock.artifacts import Artifacts

_TOP: Final = "source"
_TIME: Final = 315532800
"""1980-01-01, the first time that zip files can hold."""


def pack(members: Mapping[str, bytes | Path], artifacts: Artifacts, *, executable: Iterable[str] = ()) -> Digest:
    """Write an archive into the download cache and return its digest.

    Args:
        members: Contents of files, or targets of symbolic links as a path, by path relative to the top.
        artifacts: Download cache.
        executable: Files that are programs.
    """
    programs = set(executable)
    artifacts.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=artifacts.folder, prefix="packing-") as scratch:
        file = Path(scratch, "archive.tar")
        with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
            _add(archive, _TOP, kind=tarfile.DIRTYPE)
            for name in sorted({str(parent) for one in members for parent in Path(one).parents if str(parent) != "."}):
                _add(archive, f"{_TOP}/{name}", kind=tarfile.DIRTYPE)
            for name, content in sorted(members.items()):
                mode = 0o755 if name in programs else 0o644
                if isinstance(content, bytes):
                    _add(archive, f"{_TOP}/{name}", content=content, mode=mode)
                else:
                    _add(archive, f"{_TOP}/{name}", kind=tarfile.SYMTYPE, target=str(content))
        digest = Digest.of_file(file)
        file.replace(artifacts.path(digest))
    return digest


def _add(
    archive: tarfile.TarFile,
    name: str,
    *,
    kind: bytes = tarfile.REGTYPE,
    mode: int = 0o755,
    target: str = "",
    content: bytes = b"",
) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname, member.size, member.mtime = kind, mode, target, len(content), _TIME
    archive.addfile(member, io.BytesIO(content))

"""One layer of an image: a compressed tar archive and its description."""

import gzip
import hashlib
import json
import subprocess
from pathlib import Path
from typing import IO, BinaryIO

from entries import Entries

_MEDIA_TYPE = "application/vnd.oci.image.layer.v1.tar+"


class _Hashing:
    """A writer that hashes and counts what passes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hasher = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hasher.update(data)
        self.size += len(data)
        return self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}"


def write(entries: Entries, out: Path, *, name: str, contents: list[str], compression: str, zstd: str) -> None:
    """Write `blob` and `layer.json` into the folder `out`.

    Args:
        entries: The files.
        out: A store path to make.
        name: The layer's name in the plan.
        contents: What it holds, for people: packages with versions.
        compression: `zstd` or `gzip`.
        zstd: The compressor; which one is an input of the build, because each gives other bytes.
    """
    out.mkdir()
    blob = out / "blob"
    with blob.open("w+b") as file:
        compress = _write_zstd if compression == "zstd" else _write_gzip
        diff_id, unpacked = compress(entries, file, zstd)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    description = {
        "contents": contents,
        "diff_id": diff_id,
        "digest": f"sha256:{digest}",
        "empty": not entries.items,
        "media_type": _MEDIA_TYPE + compression,
        "name": name,
        "size": blob.stat().st_size,
        "unpacked": unpacked,
    }
    (out / "layer.json").write_text(json.dumps(description, indent=1, sort_keys=True) + "\n")


def _write_zstd(entries: Entries, file: BinaryIO, zstd: str) -> tuple[str, int]:
    # One thread: the multi-threaded mode frames its output differently.
    argv = [zstd, "-3", "--single-thread", "--quiet", "--stdout"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=file) as compressor:
        assert compressor.stdin is not None
        stream = _Hashing(compressor.stdin)
        entries.write_tar(stream)  # type: ignore[arg-type]  # all it does is write
        compressor.stdin.close()
        if compressor.wait() != 0:
            raise subprocess.CalledProcessError(compressor.returncode, argv)
    return stream.digest, stream.size


def _write_gzip(entries: Entries, file: BinaryIO, _zstd: str) -> tuple[str, int]:
    with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as compressor:
        stream = _Hashing(compressor)  # type: ignore[arg-type]  # GzipFile writes bytes like any other
        entries.write_tar(stream)  # type: ignore[arg-type]  # all it does is write
    return stream.digest, stream.size

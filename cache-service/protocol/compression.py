"""Streams of compressed NARs, across all frames, with bounded memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

import zstandard

from protocol.narinfo import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS: Final = {"none": "", "zstd": ".zst", "xz": ".xz", "bzip2": ".bz2", "gzip": ".gz"}
"""Compressions that are read, each with the end of the names of its files."""

_CHUNK: Final = 1 << 20
_WINDOW: Final = 1 << 27
_XZ_MEMORY: Final = 1 << 27
_FAULTS: Final = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error, zstandard.ZstdError)


def decompress(file: BinaryIO, compression: str) -> Iterator[bytes]:
    """Yield the contents of a compressed file in parts.

    Raises:
        FormatError: The compression is not known here, or the file is damaged.
    """
    if compression not in ENDS:
        message = f"the compression {compression!r} is not one of {', '.join(ENDS)}"
        raise FormatError(message)
    parts = _read_xz(file) if compression == "xz" else _read(_open(file, compression))
    try:
        yield from parts
    except _FAULTS as error:
        message = f"the NAR cannot be decompressed with {compression}: {error}"
        raise FormatError(message) from error


class _Opened(Protocol):
    def read(self, size: int, /) -> bytes: ...


def _open(file: BinaryIO, compression: str) -> _Opened:
    match compression:
        case "zstd":
            # Nix writes frames of 16 MiB; without the argument only the first would be read.
            return zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(file, read_across_frames=True)
        case "bzip2":
            return bz2.open(file)
        case "gzip":
            return gzip.open(file)
        case _:
            return file


def _read(opened: _Opened) -> Iterator[bytes]:
    while chunk := opened.read(_CHUNK):
        yield chunk


def _read_xz(file: BinaryIO) -> Iterator[bytes]:
    """Yield the contents of a file of one or more xz streams; the memory of the dictionary is limited."""
    rest = b""
    while rest or (rest := file.read(_CHUNK)):
        stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        while not stream.eof:
            data = rest if stream.needs_input else b""
            if stream.needs_input and not data and not (data := file.read(_CHUNK)):
                message = "the file ends within a stream"
                raise EOFError(message)
            rest = b"" if stream.needs_input else rest
            yield stream.decompress(data, _CHUNK)
        rest = stream.unused_data

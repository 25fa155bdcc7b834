"""The uncompressed tar of a layer, as a stream of bytes."""

from __future__ import annotations

import gzip
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final, cast

import zstandard

from estiba.errors import LayoutError
from estiba.image import media_types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from estiba.image.manifest import Descriptor

_CHUNK: Final = 1 << 20
_FRAME_HEADER: Final = 18  # the longest there is
_REBUILD: Final = "build the image again: invoke build"


@contextmanager
def opened(path: Path, layer: Descriptor) -> Iterator[IO[bytes]]:
    """Open the tar of a layer for reading, whatever its compression.

    Raises:
        LayoutError: The blob is cut short or not compressed as its media type says.
    """
    where = f"blob {layer.digest}"
    try:
        with path.open("rb") as raw, _decompressed(raw, layer.media_type) as stream:
            yield stream
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise LayoutError(where, [f"cannot be decompressed: {error}"], hint=_REBUILD) from error


def chunks(path: Path, layer: Descriptor) -> Iterator[bytes]:
    """Yield the tar of a layer in pieces of at most a megabyte."""
    with opened(path, layer) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def size(path: Path, layer: Descriptor) -> int:
    """Return the length of the tar, from the header of the blob where it says so."""
    if layer.media_type == media_types.LAYER_TAR:
        return layer.size
    if layer.media_type == media_types.LAYER_ZSTD:
        with path.open("rb") as file:
            told = _frame_size(file.read(_FRAME_HEADER))
        if told >= 0:
            return told
    return sum(map(len, chunks(path, layer)))


def _frame_size(header: bytes) -> int:
    """Return the content size that a zstd frame declares, or -1."""
    try:
        return zstandard.frame_content_size(header)
    except zstandard.ZstdError:
        return -1


def _decompressed(raw: IO[bytes], media_type: str) -> IO[bytes]:
    match media_type:
        case media_types.LAYER_ZSTD:
            reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            return cast("IO[bytes]", reader)
        case media_types.LAYER_GZIP:
            return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        case _:
            return raw

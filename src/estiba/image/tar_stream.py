"""Decompression of layers to streams of tar bytes."""

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
_FRAME_HEADER: Final = 18  # maximum size of a zstd frame header (RFC 8878, 3.1.1.1)
_REBUILD: Final = "build the image again: invoke build"


@contextmanager
def opened(path: Path, layer: Descriptor) -> Iterator[IO[bytes]]:
    """Open the tar of a layer as a stream, decompressed according to the media type.

    Args:
        path: File of the blob.
        layer: Descriptor of the layer.

    Raises:
        LayoutError: The blob is truncated, or its compression is not that of its media type.
    """
    where = f"blob {layer.digest}"
    try:
        with path.open("rb") as raw, _decompressed(raw, layer.media_type) as stream:
            yield stream
    except (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise LayoutError(where, [f"cannot be decompressed: {error}"], hint=_REBUILD) from error


def chunks(path: Path, layer: Descriptor) -> Iterator[bytes]:
    """Yield the tar of a layer in chunks of at most 1 MiB."""
    with opened(path, layer) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def size(path: Path, layer: Descriptor) -> int:
    """Return the size of the tar in bytes: declared in a zstd frame header, else counted by decompressing."""
    if layer.media_type == media_types.LAYER_TAR:
        return layer.size
    if layer.media_type == media_types.LAYER_ZSTD:
        with path.open("rb") as file:
            declared = _frame_size(file.read(_FRAME_HEADER))
        if declared >= 0:
            return declared
    return sum(map(len, chunks(path, layer)))


def _frame_size(header: bytes) -> int:
    """Return the content size in a zstd frame header, or -1 if it has none."""
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

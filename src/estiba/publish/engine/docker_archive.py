"""Docker archive: the tar that `docker load` reads, generated from an OCI layout without a temporary file.

Layers are uncompressed, and the format is Docker's own: engines before version 25 read no OCI layouts, and those before
23 no zstd.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from typing import TYPE_CHECKING, Final

from estiba.errors import LayoutError
from estiba.image import tar_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from estiba.digest import Digest
    from estiba.image.layout import Layout
    from estiba.image.manifest import Image, Layer

_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)


def render(
    layout: Layout,
    image: Image,
    *,
    names: Collection[str],
    sizes: Mapping[Digest, int],
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[bytes]:
    """Yield the archive of an image in chunks.

    Args:
        layout: Layout with the blobs.
        image: Image of one platform in the layout.
        names: Names for the image in the engine, as `NAME:TAG`.
        sizes: Size in bytes of the tar of each layer to include, by its digest; layers that the engine has are left
            out.
        advance: Called with the number of layer bytes in each chunk.

    Raises:
        LayoutError: A layer has another digest or size than its configuration says. The archive is incomplete then, so
            that the engine discards it.
    """
    config = layout.blob(image.manifest.config.digest).read_bytes()
    config_name = f"{image.manifest.config.digest.hex}.json"
    yield from _entry(config_name, len(config), iter((config,)))
    layers = {layer.diff_id: layer for layer in image.layers if layer.diff_id in sizes}
    for diff_id, layer in layers.items():
        body = _checked(layer, tar_stream.chunks(layout.blob(layer.blob.digest), layer.blob), advance)
        yield from _entry(_layer_name(layer), sizes[diff_id], body)
    manifest = [
        {"Config": config_name, "RepoTags": sorted(names), "Layers": [_layer_name(layer) for layer in image.layers]}
    ]
    data = json.dumps(manifest, sort_keys=True).encode()
    yield from _entry("manifest.json", len(data), iter((data,)))
    yield _END


def sizes(layout: Layout, image: Image, *, skip: Collection[Digest] = ()) -> dict[Digest, int]:
    """Return the size in bytes of the tar of each layer of an image by its digest, except those in `skip`."""
    layers = {layer.diff_id: layer.blob for layer in image.layers if layer.diff_id not in skip}
    return {diff_id: tar_stream.size(layout.blob(blob.digest), blob) for diff_id, blob in layers.items()}


def _layer_name(layer: Layer) -> str:
    return f"{layer.diff_id.hex}/layer.tar"


def _entry(name: str, length: int, body: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a tar member: header, contents, padding."""
    header = tarfile.TarInfo(name)
    header.size = length
    header.mode = 0o644
    yield header.tobuf(tarfile.GNU_FORMAT)
    written = 0
    for chunk in body:
        written += len(chunk)
        if written <= length:
            yield chunk
    if written != length:
        raise LayoutError(
            name, [f"has {written} bytes instead of {length}"], hint="build the image again: invoke build"
        )
    yield bytes(-length % _BLOCK)


def _checked(layer: Layer, body: Iterator[bytes], advance: Callable[[int], None]) -> Iterator[bytes]:
    """Yield the bytes of a layer, and raise an error at the end unless they have the digest of the configuration."""
    hasher = hashlib.sha256()
    for chunk in body:
        hasher.update(chunk)
        yield chunk
        advance(len(chunk))
    if hasher.hexdigest() != layer.diff_id.hex:
        where = f"blob {layer.blob.digest}"
        problem = f"its tar has digest sha256:{hasher.hexdigest()} instead of {layer.diff_id}"
        raise LayoutError(where, [problem], hint="build the image again: invoke build")

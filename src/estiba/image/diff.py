"""Differences between two builds of an image, by platform, layer and file, with their causes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from estiba.image import tar_diff, tar_stream
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from estiba.image.layout import Layout
    from estiba.image.manifest import Descriptor, Image, Layer
    from estiba.process import Runner

SHOWN: Final = 5
"""Files of one layer that are told one by one where the same is wrong with all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Images of a build with access to their blobs.

    Attributes:
        images: Image of each platform.
        blob: Returns a file with the contents of a blob; it may download them.
    """

    images: Sequence[Image]
    blob: Callable[[Descriptor], Path]

    @classmethod
    def of(cls, layout: Layout) -> ImageSet:
        """Return the images of a layout on disk."""
        return cls(images=layout.images, blob=lambda blob: layout.blob(blob.digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Difference between two builds.

    Attributes:
        platform: OCI platform, such as `linux/amd64`.
        layer: Name of the layer, or `configuration`, `manifest` or `image`.
        path: File in the layer, field of the document, or an empty string for all of it.
        cause: Cause in a sentence.
    """

    platform: str
    layer: str
    path: str
    cause: str

    def __str__(self) -> str:
        """Return the difference as a paragraph."""
        path = f" {self.path}" if self.path else ""
        return f"{self.platform} {self.layer}{path}: {self.cause}"

    def to_dict(self) -> dict[str, str]:
        """Return the difference in the form of `--json`."""
        return {"cause": self.cause, "layer": self.layer, "path": self.path, "platform": self.platform}


def compare(first: ImageSet, second: ImageSet, *, runner: Runner = run) -> list[Difference]:
    """Return all differences between two builds, of which the second is called the rebuild."""
    rebuilt = {str(image.platform): image for image in second.images}
    expected = {str(image.platform): image for image in first.images}
    found = [_whole(name, "missing from the rebuild") for name in expected if name not in rebuilt]
    found += [_whole(name, "only in the rebuild") for name in rebuilt if name not in expected]
    for name, image in expected.items():
        if name in rebuilt and image.document.digest != rebuilt[name].document.digest:
            found += _compare_images((first, image), (second, rebuilt[name]), runner)
    return found


def summarize(differences: Iterable[Difference]) -> list[str]:
    """Return differences as paragraphs; of those in one layer with one cause a few, and the number of the others."""
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for one in differences:
        groups.setdefault((one.platform, one.layer, one.cause), []).append(one)
    told = []
    for (platform, layer, cause), found in groups.items():
        told += [str(one) for one in found[:SHOWN]]
        if len(found) > SHOWN:
            told.append(f"{platform} {layer}, {len(found) - SHOWN} more: {cause}")
    return told


def documents(first: bytes, second: bytes) -> Iterator[tuple[str, str]]:
    """Yield path and cause of each difference between two JSON documents."""
    yield from _compare_json(json.loads(first), json.loads(second), "")


def _whole(platform: str, cause: str) -> Difference:
    return Difference(platform=platform, layer="image", path="", cause=cause)


def _compare_images(
    first: tuple[ImageSet, Image], second: tuple[ImageSet, Image], runner: Runner
) -> Iterator[Difference]:
    """Compare configurations, annotations and layers, without the digests that follow from them."""
    (first_set, expected), (second_set, rebuilt) = first, second
    platform = str(expected.platform)
    configs = (image_set.blob(image.manifest.config).read_bytes() for image_set, image in (first, second))
    for path, cause in documents(*configs):
        if not path.startswith("rootfs"):
            yield Difference(platform=platform, layer="configuration", path=path, cause=cause)
    for path, cause in documents(expected.document.data, rebuilt.document.data):
        if path.startswith("annotations"):
            yield Difference(platform=platform, layer="manifest", path=path, cause=cause)
    if len(expected.layers) != len(rebuilt.layers):
        cause = f"{len(rebuilt.layers)} layers instead of {len(expected.layers)}"
        yield Difference(platform=platform, layer="manifest", path="", cause=cause)
    for layer, other in zip(expected.layers, rebuilt.layers, strict=False):
        for path, cause in _compare_layers((first_set, layer), (second_set, other), runner):
            yield Difference(platform=platform, layer=layer.name or layer.diff_id.hex[:12], path=path, cause=cause)


def _compare_layers(
    first: tuple[ImageSet, Layer], second: tuple[ImageSet, Layer], runner: Runner
) -> Iterator[tuple[str, str]]:
    (first_set, expected), (second_set, rebuilt) = first, second
    if expected.blob.digest == rebuilt.blob.digest:
        return
    if expected.diff_id == rebuilt.diff_id:
        yield "", f"the same tar, compressed otherwise: {rebuilt.blob.size} bytes instead of {expected.blob.size}"
        return
    found = tar_diff.compare(
        partial(tar_stream.opened, first_set.blob(expected.blob), expected.blob),
        partial(tar_stream.opened, second_set.blob(rebuilt.blob), rebuilt.blob),
        runner=runner,
    )
    for item in found:
        yield item.path, item.cause


def _compare_json(old: Any, new: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    match old, new:
        case dict(), dict():
            for key in sorted({*old, *new}):
                yield from _compare_json(old.get(key), new.get(key), f"{path}.{key}".lstrip("."))
        case list(), list() if len(old) == len(new):
            for number, (was, now) in enumerate(zip(old, new, strict=True)):
                yield from _compare_json(was, now, f"{path}[{number}]")
        case _:
            if old != new:
                yield path, f"{json.dumps(new)} instead of {json.dumps(old)}"

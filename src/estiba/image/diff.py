"""What differs between two builds of one image: by platform, layer and file, with the cause."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from estiba.image import tar_diff, tar_stream
from estiba.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from estiba.image.layout import Layout
    from estiba.image.manifest import Descriptor, Image, Layer
    from estiba.process import Runner


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two builds: its images, and how to get at a blob."""

    images: Sequence[Image]
    blob: Callable[[Descriptor], Path]

    @classmethod
    def of(cls, layout: Layout) -> Side:
        """Take a layout on disk."""
        return cls(images=layout.images, blob=lambda blob: layout.blob(blob.digest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference.

    Attributes:
        platform: In OCI's words.
        layer: The layer's name, or `configuration` or `manifest`.
        path: The file in the layer, the field in a document, or an empty string.
        cause: Why, in words.
    """

    platform: str
    layer: str
    path: str
    cause: str

    def __str__(self) -> str:
        """Return one paragraph."""
        path = f" {self.path}" if self.path else ""
        return f"{self.platform} {self.layer}{path}: {self.cause}"

    def to_dict(self) -> dict[str, str]:
        """Return the form for `--json`."""
        return {"cause": self.cause, "layer": self.layer, "path": self.path, "platform": self.platform}


def compare(first: Side, second: Side, *, runner: Runner = run) -> list[Difference]:
    """List all differences between two builds; the second is called the rebuild."""
    theirs = {str(image.platform): image for image in second.images}
    ours = {str(image.platform): image for image in first.images}
    found = [_whole(name, "missing from the rebuild") for name in ours if name not in theirs]
    found += [_whole(name, "only in the rebuild") for name in theirs if name not in ours]
    for name, image in ours.items():
        if name in theirs and image.document.digest != theirs[name].document.digest:
            found += _compare_images((first, image), (second, theirs[name]), runner)
    return found


def documents(ours: bytes, theirs: bytes) -> Iterator[tuple[str, str]]:
    """Yield field and cause of each difference between two JSON documents."""
    yield from _compare_json(json.loads(ours), json.loads(theirs), "")


def _whole(platform: str, cause: str) -> Difference:
    return Difference(platform=platform, layer="image", path="", cause=cause)


def _compare_images(first: tuple[Side, Image], second: tuple[Side, Image], runner: Runner) -> Iterator[Difference]:
    """Compare configurations, annotations and layers; digests that follow from those are left out."""
    (ours, image), (theirs, other) = first, second
    platform = str(image.platform)
    configs = (side.blob(picture.manifest.config).read_bytes() for side, picture in (first, second))
    for path, cause in documents(*configs):
        if not path.startswith("rootfs"):
            yield Difference(platform=platform, layer="configuration", path=path, cause=cause)
    for path, cause in documents(image.document.data, other.document.data):
        if path.startswith("annotations"):
            yield Difference(platform=platform, layer="manifest", path=path, cause=cause)
    if len(image.layers) != len(other.layers):
        cause = f"{len(other.layers)} layers instead of {len(image.layers)}"
        yield Difference(platform=platform, layer="manifest", path="", cause=cause)
    for mine, his in zip(image.layers, other.layers, strict=False):
        for path, cause in _compare_layers((ours, mine), (theirs, his), runner):
            yield Difference(platform=platform, layer=mine.name or mine.diff_id.hex[:12], path=path, cause=cause)


def _compare_layers(first: tuple[Side, Layer], second: tuple[Side, Layer], runner: Runner) -> Iterator[tuple[str, str]]:
    (ours, mine), (theirs, his) = first, second
    if mine.blob.digest == his.blob.digest:
        return
    if mine.diff_id == his.diff_id:
        yield "", f"the same tar, compressed otherwise: {his.blob.size} bytes instead of {mine.blob.size}"
        return
    found = tar_diff.compare(
        partial(tar_stream.opened, ours.blob(mine.blob), mine.blob),
        partial(tar_stream.opened, theirs.blob(his.blob), his.blob),
        runner=runner,
    )
    for item in found:
        yield item.path, item.cause


def _compare_json(ours: Any, theirs: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON value
    match ours, theirs:
        case dict(), dict():
            for key in sorted({*ours, *theirs}):
                yield from _compare_json(ours.get(key), theirs.get(key), f"{path}.{key}".lstrip("."))
        case list(), list() if len(ours) == len(theirs):
            for number, (was, now) in enumerate(zip(ours, theirs, strict=True)):
                yield from _compare_json(was, now, f"{path}[{number}]")
        case _:
            if ours != theirs:
                yield path, f"{json.dumps(theirs)} instead of {json.dumps(ours)}"

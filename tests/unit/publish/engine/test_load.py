"""An archive holds exactly what an engine lacks, and wrong bytes never arrive unnoticed."""

from __future__ import annotations

import gc
import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest
import zstandard
from tests import ocilayout

from estiba.digest import Digest
from estiba.errors import EngineError, LayoutError
from estiba.image import layout, media_types, tar_stream
from estiba.image.manifest import Descriptor
from estiba.publish.engine import docker_archive, load

if TYPE_CHECKING:
    from pathlib import Path


def members(data: bytes) -> dict[str, bytes]:
    """Unpack an archive in memory."""
    with tarfile.open(fileobj=io.BytesIO(data)) as opened:
        return {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]


@pytest.mark.parametrize("compression", ["zstd", "gzip", "none"])
def test_archive_has_plain_layers(tmp_path: Path, compression: str) -> None:
    """Whatever the compression, the archive has the tars whose digests the configuration names."""
    source = layout.read(ocilayout.write(tmp_path / "image", ocilayout.service(compression=compression)))
    image = source.images[0]
    sizes = docker_archive.sizes(source, image)
    sent: list[int] = []
    found = members(b"".join(docker_archive.render(source, image, names=["shop:1"], sizes=sizes, advance=sent.append)))
    (manifest,) = json.loads(found["manifest.json"])
    assert manifest["RepoTags"] == ["shop:1"]
    assert [Digest.of_bytes(found[name]) for name in manifest["Layers"]] == list(image.config.diff_ids)
    assert Digest.of_bytes(found[manifest["Config"]]) == image.manifest.config.digest
    assert sum(sent) == sum(sizes.values())


def test_present_layers_are_left_out(tmp_path: Path) -> None:
    """Layers that the engine has are named, not sent."""
    source = layout.read(ocilayout.write(tmp_path / "image", ocilayout.service()))
    image = source.images[0]
    sizes = docker_archive.sizes(source, image, skip=image.config.diff_ids[:2])
    found = members(b"".join(docker_archive.render(source, image, names=["shop:1"], sizes=sizes)))
    (manifest,) = json.loads(found["manifest.json"])
    assert [name in found for name in manifest["Layers"]] == [False, False, True]


def test_layers_count_from_the_bottom(tmp_path: Path) -> None:
    """A layer on top of other ones is another layer to an engine."""
    image = layout.read(ocilayout.write(tmp_path / "image", ocilayout.service())).images[0]
    first, second, third = map(str, image.config.diff_ids)
    assert load.present_layers(image, {(first,), (first, third), (second,)}) == {image.config.diff_ids[0]}
    assert load.present_layers(image, {(first,), (first, second)}) == set(image.config.diff_ids[:2])
    assert load.present_layers(image, set()) == frozenset()


def damage(path: Path, change: str) -> layout.Layout:
    """Replace the first layer's blob by another of the same kind."""
    specs = ocilayout.service()
    source = layout.read(ocilayout.write(path, specs))
    blob = source.blob(source.images[0].layers[0].blob.digest)
    other = ocilayout.LayerSpec(name="base", contents="", files={"usr/other": b"x" * 9000})
    data = {"other": other.blob()[1], "cut": blob.read_bytes()[:-20], "garbage": b"no zstd at all"}[change]
    blob.write_bytes(data)
    return source


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("other", "its tar has digest"),
        ("cut", "its tar has digest"),
        ("garbage", "cannot be decompressed"),
    ],
)
def test_damaged_layer_stops_the_archive(tmp_path: Path, change: str, problem: str) -> None:
    """An archive with a damaged layer never ends, so no engine accepts it."""
    source = damage(tmp_path / "image", change)
    image = source.images[0]
    sizes = dict.fromkeys(image.config.diff_ids, 30720)
    with pytest.raises(LayoutError, match=problem):
        b"".join(docker_archive.render(source, image, names=["shop:1"], sizes=sizes))


def test_other_tar_of_the_same_length(tmp_path: Path) -> None:
    """The digest of the tar is compared with the configuration's."""
    source = damage(tmp_path / "image", "other")
    image = source.images[0]
    with pytest.raises(LayoutError, match="its tar has digest sha256:"):
        b"".join(docker_archive.render(source, image, names=["shop:1"], sizes={image.config.diff_ids[0]: 10240}))


def test_wrong_length(tmp_path: Path) -> None:
    """A layer that is longer than announced would shift all that follows."""
    source = layout.read(ocilayout.write(tmp_path / "image", ocilayout.service()))
    image = source.images[0]
    with pytest.raises(LayoutError, match="has 30720 bytes instead of 512"):
        b"".join(docker_archive.render(source, image, names=["shop:1"], sizes={image.config.diff_ids[0]: 512}))


def test_size_of_a_frame_without_it(tmp_path: Path) -> None:
    """A compressor that reads a stream does not know the length; then it is counted."""
    path = tmp_path / "blob"
    with path.open("wb") as file, zstandard.ZstdCompressor().stream_writer(file, closefd=False) as writer:
        writer.write(bytes(3_000_000))
    blob = Descriptor(media_type=media_types.LAYER_ZSTD, digest=Digest.of_file(path), size=path.stat().st_size)
    assert tar_stream.size(path, blob) == 3_000_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine(tmp_path: Path) -> None:
    """The error says how to start an engine; the SDK forgets to close the socket that did not connect."""
    with pytest.raises(EngineError) as caught:
        load.Engine.connect(base_url=f"unix://{tmp_path}/none.sock")
    assert caught.value.message == "no Docker engine answers: No such file or directory"
    assert "DOCKER_HOST" in caught.value.hint
    del caught
    gc.collect()

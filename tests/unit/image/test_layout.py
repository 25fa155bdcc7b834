"""A layout is read whole or refused with everything that is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests import ocilayout

from estiba.digest import Digest
from estiba.errors import LayoutError
from estiba.image import layout, media_types
from estiba.image.manifest import Platform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """Write a layout."""
    return ocilayout.write(tmp_path / "image", ocilayout.service(), annotations={media_types.REVISION: "abc"})


def test_reads_all_platforms(built: Path) -> None:
    """Images, layers and bills of materials are those that were written."""
    read = layout.read(built)
    assert read.name == "shop:1.0"
    assert [str(image.platform) for image in read.images] == ["linux/amd64", "linux/arm64"]
    assert [layer.name for layer in read.images[0].layers] == ["base", "python-django", "application"]
    assert read.index.annotations == {media_types.REVISION: "abc"}
    assert [sbom.path.name for sbom in read.sboms(read.images[1])] == [
        "aarch64-linux.cdx.json",
        "aarch64-linux.spdx.json",
    ]
    layout.check_blobs(read)


def test_follows_links_below_the_root(built: Path, tmp_path: Path) -> None:
    """Blobs may be absolute links into a store that is mounted elsewhere."""
    store = tmp_path / "other/nix/store"
    store.mkdir(parents=True)
    for blob in (built / "blobs/sha256").iterdir():
        blob.rename(store / blob.name)
        blob.symlink_to(f"/nix/store/{blob.name}")
    layout.check_blobs(layout.read(built, root=tmp_path / "other"))


def test_missing_folder(tmp_path: Path) -> None:
    """Without a build the error says how to build."""
    with pytest.raises(LayoutError) as caught:
        layout.read(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none: no such folder\n  hint: build the image first: invoke build"


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("oci-layout", "{}", "field 'imageLayoutVersion' is missing"),
        ("oci-layout", '{"imageLayoutVersion": "9"}', "layout version '9' is not known"),
        ("index.json", "{", "malformed: "),
        ("index.json", "[]", "malformed: "),
        ("index.json", '{"manifests": []}', "expected one image, found 0"),
    ],
)
def test_malformed_documents(built: Path, file: str, content: str, problem: str) -> None:
    """The error names the file and what is wrong in it."""
    (built / file).write_text(content)
    with pytest.raises(LayoutError) as caught:
        layout.read(built)
    assert caught.value.where == f"{built}/{file}"
    assert caught.value.problems[0].startswith(problem)


def test_several_damaged_blobs(built: Path) -> None:
    """Missing and cut layers are listed in one error."""
    first, second = (layer.blob.digest for layer in layout.read(built).images[0].layers[:2])
    (built / "blobs/sha256" / first.hex).unlink()
    (built / "blobs/sha256" / second.hex).write_bytes(b"cut")
    with pytest.raises(LayoutError) as caught:
        layout.read(built)
    assert caught.value.problems[0] == f"blob {first} is missing"
    assert caught.value.problems[1].startswith(f"blob {second} has 3 bytes instead of ")


def test_other_bytes_of_the_same_length(built: Path) -> None:
    """Hashing finds what sizes do not show."""
    read = layout.read(built)
    digest = read.images[0].layers[0].blob.digest
    path = built / "blobs/sha256" / digest.hex
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(LayoutError, match=f"blob {digest} has other bytes"):
        layout.check_blobs(layout.read(built))


def test_changed_manifest(built: Path) -> None:
    """A manifest must have the digest that the index says."""
    digest = layout.read(built).images[0].document.digest
    (built / "blobs/sha256" / digest.hex).write_bytes(b"{}")
    with pytest.raises(LayoutError, match=f"blob {digest} has other bytes"):
        layout.read(built)


def test_foreign_layer_type(tmp_path: Path) -> None:
    """Docker's own layer types are no OCI types, and zstd under them would be invalid."""
    path = ocilayout.write(tmp_path / "image", ocilayout.service())
    index = json.loads((path / "index.json").read_text())
    data = b'{"manifests": []}'
    digest = Digest.of_bytes(data)
    (path / "blobs/sha256" / digest.hex).write_bytes(data)
    index["manifests"][0] |= {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "digest": str(digest),
    }
    (path / "index.json").write_text(json.dumps(index))
    with pytest.raises(LayoutError, match=r"expected an image index, found application/vnd\.docker"):
        layout.read(path)


def test_platform_not_built(built: Path) -> None:
    """The error lists the platforms there are."""
    with pytest.raises(LayoutError) as caught:
        layout.read(built).image(Platform.parse("linux/riscv64"))
    assert str(caught.value) == f"{built}: no image for linux/riscv64\n  hint: choose one of: linux/amd64, linux/arm64"


@pytest.mark.parametrize(
    ("text", "written", "system"),
    [
        ("x86_64-linux", "linux/amd64", "x86_64-linux"),
        ("linux/arm64", "linux/arm64", "aarch64-linux"),
        ("linux/arm/v7", "linux/arm/v7", "linux/arm/v7"),
    ],
)
def test_platform_notations(text: str, written: str, system: str) -> None:
    """A platform is written in OCI's words or in Nix's."""
    platform = Platform.parse(text)
    assert (str(platform), platform.system) == (written, system)
    assert Platform.from_dict(platform.to_dict()) == platform


@pytest.mark.parametrize("text", ["linux", "linux//v8", "a/b/c/d"])
def test_malformed_platform(text: str) -> None:
    """Anything else is refused with an example."""
    with pytest.raises(ValueError, match=r"not a platform: .* \(write linux/amd64 or x86_64-linux\)"):
        Platform.parse(text)

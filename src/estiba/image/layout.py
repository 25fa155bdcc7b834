"""An OCI image layout: the folder that a build leaves, read and validated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from estiba.digest import Digest
from estiba.errors import LayoutError
from estiba.image import media_types
from estiba.image.manifest import Document, Image, Index, Manifest, parse
from estiba.nix import commands as nix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from estiba.image.manifest import Descriptor, Platform

VERSION: Final = "1.0.0"
"""The only version of the layout format there is."""

_REBUILD: Final = "build the image again: invoke build"
_SBOMS: Final = {"cdx": media_types.CYCLONEDX, "spdx": media_types.SPDX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """A bill of materials beside the image of one platform."""

    media_type: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """An image layout with one image index.

    Attributes:
        path: The folder.
        root: Folder in front of absolute links, for a result in a store that is not mounted at its own place.
        document: The bytes of the image index.
        index: The same, parsed.
        images: One image for each platform, in the order of the index.
        name: The name that `index.json` gives the image, or an empty string.
    """

    path: Path
    root: Path
    document: Document
    index: Index
    images: tuple[Image, ...]
    name: str

    @property
    def digest(self) -> Digest:
        """The digest of the image index, which a registry shows."""
        return self.document.digest

    def blob(self, digest: Digest) -> Path:
        """Return the file of a blob, with links followed."""
        return _Folder(self.path, self.root).blob(digest)

    def image(self, platform: Platform) -> Image:
        """Return the image for a platform.

        Raises:
            LayoutError: There is none.
        """
        for image in self.images:
            if (image.platform.os, image.platform.architecture) == (platform.os, platform.architecture):
                return image
        have = ", ".join(str(image.platform) for image in self.images)
        raise LayoutError(str(self.path), [f"no image for {platform}"], hint=f"choose one of: {have}")

    def sboms(self, image: Image) -> tuple[Sbom, ...]:
        """Return the bills of materials of one image, CycloneDX before SPDX."""
        folder = _Folder(self.path, self.root)
        paths = [(kind, folder.resolve(f"sbom/{image.platform.system}.{form}.json")) for form, kind in _SBOMS.items()]
        return tuple(Sbom(media_type=kind, path=path) for kind, path in paths if path.is_file())


def read(path: Path, *, root: Path = Path("/")) -> Layout:
    """Read a layout; every document's digest and every blob's size is checked, no layer is read.

    Args:
        path: The folder, which holds `oci-layout` and `index.json`.
        root: Where absolute links in it start.

    Raises:
        LayoutError: There is no layout, or it is damaged.
    """
    folder = _Folder(path, root)
    folder.check_version()
    where = f"{path}/index.json"
    top = parse(folder.bytes("index.json"), Index.from_dict, where)
    if len(top.manifests) != 1:
        raise LayoutError(where, [f"expected one image, found {len(top.manifests)}"], hint=_REBUILD)
    (entry,) = top.manifests
    if entry.media_type != media_types.INDEX:
        raise LayoutError(where, [f"expected an image index, found {entry.media_type}"], hint=_REBUILD)
    document = folder.document(entry)
    index = parse(document.data, Index.from_dict, f"index {entry.digest}")
    images = tuple(folder.image(descriptor) for descriptor in index.manifests)
    if problems := list(folder.problems(images)):
        raise LayoutError(str(path), problems, hint=_REBUILD)
    name = entry.annotations.get(media_types.REF_NAME, "")
    return Layout(path=path, root=root, document=document, index=index, images=images, name=name)


def read_built(path: Path, store: Path) -> Layout:
    """Read a layout in the Nix store, or the one that a link names.

    Args:
        path: The store path or the link.
        store: Folder below which the paths of the store lie.

    Raises:
        LayoutError: There is no layout, or it is damaged.
    """
    place = nix.locate(path, store)
    return read(place, root=store if place.is_relative_to(store) else Path("/"))


def check_blobs(layout: Layout) -> None:
    """Hash every blob of a layout.

    Raises:
        LayoutError: The bytes of some do not have their digest; lists all.
    """
    digests = sorted({blob.digest for image in layout.images for blob in image.blobs})
    wrong = [f"blob {digest} has other bytes" for digest in digests if Digest.of_file(layout.blob(digest)) != digest]
    if wrong:
        raise LayoutError(str(layout.path), wrong, hint=_REBUILD)


@dataclass(frozen=True, slots=True)
class _Folder:
    """The files of a layout, which may be links into a store."""

    path: Path
    root: Path

    def resolve(self, name: str) -> Path:
        """Follow the links of one file, absolute ones below `root`."""
        path = self.path / name
        while path.is_symlink():
            target = path.readlink()
            path = self.root / target.relative_to("/") if target.is_absolute() else path.parent / target
        return path

    def bytes(self, name: str) -> bytes:
        try:
            return self.resolve(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise LayoutError(str(self.path), [f"{name} is missing"], hint=_REBUILD) from error

    def blob(self, digest: Digest) -> Path:
        return self.resolve(f"blobs/sha256/{digest.hex}")

    def check_version(self) -> None:
        if not self.path.is_dir():
            raise LayoutError(str(self.path), ["no such folder"], hint="build the image first: invoke build")
        where = f"{self.path}/oci-layout"
        version = parse(self.bytes("oci-layout"), _layout_version, where)
        if version != VERSION:
            problem = f"layout version {version!r} is not known"
            raise LayoutError(where, [problem], hint="use a newer Estiba")

    def document(self, descriptor: Descriptor) -> Document:
        """Read the JSON document a descriptor points to, and check its digest."""
        data = self.bytes(f"blobs/sha256/{descriptor.digest.hex}")
        if Digest.of_bytes(data) != descriptor.digest:
            raise LayoutError(str(self.path), [f"blob {descriptor.digest} has other bytes"], hint=_REBUILD)
        return Document(media_type=descriptor.media_type, data=data)

    def image(self, descriptor: Descriptor) -> Image:
        if descriptor.media_type != media_types.MANIFEST:
            problem = f"index entry {descriptor.digest} is a {descriptor.media_type}"
            raise LayoutError(str(self.path), [problem], hint=_REBUILD)
        document = self.document(descriptor)
        manifest = parse(document.data, Manifest.from_dict, f"manifest {descriptor.digest}")
        return Image.parse(document, self.document(manifest.config).data)

    def problems(self, images: tuple[Image, ...]) -> Iterator[str]:
        """Say which layer blobs are missing or have another size than their descriptor says."""
        for layer in {layer.digest: layer for image in images for layer in image.manifest.layers}.values():
            path = self.blob(layer.digest)
            if not path.is_file():
                yield f"blob {layer.digest} is missing"
            elif path.stat().st_size != layer.size:
                yield f"blob {layer.digest} has {path.stat().st_size} bytes instead of {layer.size}"


def _layout_version(data: Mapping[str, Any]) -> str:
    return str(data["imageLayoutVersion"])

"""OCI image layouts: reader and validation (OCI image-spec, "OCI Image Layout Specification")."""

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
"""Version of the layout format; the specification has no other."""

_REBUILD: Final = "build the image again: invoke build"
_SBOMS: Final = {"cdx": media_types.CYCLONEDX, "spdx": media_types.SPDX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sbom:
    """Software bill of materials (SBOM) of the image of a platform: media type and file."""

    media_type: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """OCI image layout with one image index.

    Attributes:
        path: Folder of the layout.
        root: Root folder of absolute symbolic links, for a layout in a chroot store.
        document: Image index as bytes.
        index: Image index, parsed.
        images: Image of each platform, in the order of the index.
        name: Annotation `org.opencontainers.image.ref.name` in `index.json`, or an empty string.
    """

    path: Path
    root: Path
    document: Document
    index: Index
    images: tuple[Image, ...]
    name: str

    @property
    def digest(self) -> Digest:
        """Digest of the image index, under which a registry serves the image."""
        return self.document.digest

    def blob(self, digest: Digest) -> Path:
        """Return the file of a blob, with symbolic links resolved."""
        return _Folder(self.path, self.root).blob(digest)

    def image(self, platform: Platform) -> Image:
        """Return the image of a platform, whatever its variant.

        Raises:
            LayoutError: The layout has no such image.
        """
        for image in self.images:
            if (image.platform.os, image.platform.architecture) == (platform.os, platform.architecture):
                return image
        have = ", ".join(str(image.platform) for image in self.images)
        raise LayoutError(str(self.path), [f"no image for {platform}"], hint=f"choose one of: {have}")

    def sboms(self, image: Image) -> tuple[Sbom, ...]:
        """Return the SBOMs of an image, CycloneDX before SPDX."""
        folder = _Folder(self.path, self.root)
        paths = [(kind, folder.resolve(f"sbom/{image.platform.system}.{form}.json")) for form, kind in _SBOMS.items()]
        return tuple(Sbom(media_type=kind, path=path) for kind, path in paths if path.is_file())


def read(path: Path, *, root: Path = Path("/")) -> Layout:
    """Read a layout and verify the digests of its documents and the sizes of its blobs; no layer is read.

    Args:
        path: Folder with `oci-layout` and `index.json`.
        root: Root folder of absolute symbolic links.

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
    """Read a layout in the Nix store.

    Args:
        path: Store path, or a symbolic link to it.
        store: Root folder of the Nix store.

    Raises:
        LayoutError: There is no layout, or it is damaged.
    """
    place = nix.locate(path, store)
    return read(place, root=store if place.is_relative_to(store) else Path("/"))


def check_blobs(layout: Layout) -> None:
    """Verify the digest of every blob of a layout.

    Raises:
        LayoutError: Blobs have another digest; the message lists all of them.
    """
    digests = sorted({blob.digest for image in layout.images for blob in image.blobs})
    wrong = [f"blob {digest} has other bytes" for digest in digests if Digest.of_file(layout.blob(digest)) != digest]
    if wrong:
        raise LayoutError(str(layout.path), wrong, hint=_REBUILD)


@dataclass(frozen=True, slots=True)
class _Folder:
    """Folder of a layout, whose files may be symbolic links into the Nix store."""

    path: Path
    root: Path

    def resolve(self, name: str) -> Path:
        """Resolve the symbolic links of a file, absolute ones below `root`, which `Path.resolve` cannot do."""
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
        """Read the document of a descriptor and verify its digest."""
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
        """Yield a sentence for each layer blob that is missing or has another size than its descriptor."""
        for layer in {layer.digest: layer for image in images for layer in image.manifest.layers}.values():
            path = self.blob(layer.digest)
            if not path.is_file():
                yield f"blob {layer.digest} is missing"
            elif path.stat().st_size != layer.size:
                yield f"blob {layer.digest} has {path.stat().st_size} bytes instead of {layer.size}"


def _layout_version(data: Mapping[str, Any]) -> str:
    return str(data["imageLayoutVersion"])

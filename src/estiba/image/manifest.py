"""Documents of an OCI image: descriptor, platform, manifest, index and configuration (OCI image-spec 1.1)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from estiba.digest import Digest
from estiba.errors import LayoutError
from estiba.image import media_types

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")
_AUTHOR: Final = "estiba"
"""First word of `created_by` in the history of images that Estiba builds; the name of the layer follows."""

_SYSTEMS: Final = {"x86_64-linux": ("linux", "amd64"), "aarch64-linux": ("linux", "arm64")}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Platform:
    """Platform of an image: operating system, architecture and variant, as Go names them (GOOS, GOARCH)."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return `os/architecture[/variant]`, such as `linux/arm64`."""
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def system(self) -> str:
        """Nix system name, or the OCI platform if there is none for it."""
        found = [system for system, pair in _SYSTEMS.items() if pair == (self.os, self.architecture)]
        return found[0] if found else str(self)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Parse an OCI platform such as `linux/arm64`, or a Nix system name such as `aarch64-linux`.

        Raises:
            ValueError: The text is neither.
        """
        if text in _SYSTEMS:
            os, architecture = _SYSTEMS[text]
            return cls(os=os, architecture=architecture)
        parts = text.split("/")
        if len(parts) not in {2, 3} or not all(parts):
            message = f"not a platform: {text!r} (write linux/amd64 or x86_64-linux)"
            raise ValueError(message)
        return cls(os=parts[0], architecture=parts[1], variant=parts[2] if len(parts) == 3 else "")  # noqa: PLR2004 - os/architecture/variant

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Platform:
        """Parse the `platform` of a descriptor, or the same fields of a configuration."""
        return cls(os=data["os"], architecture=data["architecture"], variant=data.get("variant", ""))

    def to_dict(self) -> dict[str, str]:
        """Return the platform as the `platform` of a descriptor."""
        variant = {"variant": self.variant} if self.variant else {}
        return {"os": self.os, "architecture": self.architecture, **variant}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """Content descriptor: reference to a blob (OCI image-spec, "OCI Content Descriptors").

    Attributes:
        media_type: Media type of the blob.
        digest: Digest of the blob.
        size: Size of the blob in bytes.
        annotations: Annotations.
        artifact_type: Type of an artifact if the descriptor is of its manifest, else an empty string.
        platform: Platform of an image if the descriptor is in an index, else None.
    """

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Platform | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Descriptor:
        """Parse a descriptor.

        Raises:
            KeyError: A field is missing.
            ValueError: A field is invalid.
        """
        size = data["size"]
        if not isinstance(size, int) or size < 0:
            message = f"size is {size!r}"
            raise ValueError(message)
        return cls(
            media_type=data["mediaType"],
            digest=Digest.parse(data["digest"]),
            size=size,
            annotations=dict(data.get("annotations") or {}),
            artifact_type=data.get("artifactType", ""),
            platform=Platform.from_dict(data["platform"]) if data.get("platform") else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the descriptor as it is in a manifest or index."""
        data: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.annotations:
            data["annotations"] = dict(self.annotations)
        if self.artifact_type:
            data["artifactType"] = self.artifact_type
        if self.platform:
            data["platform"] = self.platform.to_dict()
        return data


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Manifest or index as bytes, which its digest is of, with its media type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> Digest:
        """Digest of the bytes."""
        return Digest.of_bytes(self.data)

    @property
    def descriptor(self) -> Descriptor:
        """Descriptor of the document."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Image manifest of a platform: descriptors of the configuration and of the layers, from the bottom up."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Parse a manifest."""
        return cls(
            config=Descriptor.from_dict(data["config"]),
            layers=tuple(Descriptor.from_dict(layer) for layer in data["layers"]),
            annotations=dict(data.get("annotations") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Image index: descriptors of the manifests of all platforms."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Index:
        """Parse an index."""
        return cls(
            manifests=tuple(Descriptor.from_dict(entry) for entry in data["manifests"]),
            annotations=dict(data.get("annotations") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """Image configuration of a platform, as far as Estiba reads it.

    Attributes:
        platform: Platform of the image.
        diff_ids: Digests of the uncompressed layers, from the bottom up.
        history: Name and contents of each layer, from the history; empty strings where that has no entry.
        labels: Labels.
    """

    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[tuple[str, str], ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImageConfig:
        """Parse a configuration."""
        diff_ids = tuple(Digest.parse(digest) for digest in data["rootfs"]["diff_ids"])
        # Instructions that only change the configuration have an entry, but no layer.
        history = [entry for entry in data.get("history") or [] if not entry.get("empty_layer")]
        descriptions = [_name_and_contents(entry) for entry in history][: len(diff_ids)]
        return cls(
            platform=Platform.from_dict(data),
            diff_ids=diff_ids,
            history=(*descriptions, *[("", "")] * (len(diff_ids) - len(descriptions))),
            labels=dict((data.get("config") or {}).get("Labels") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Layer of an image.

    Attributes:
        blob: Descriptor of the compressed blob.
        diff_id: Digest of the uncompressed tar.
        name: Name of the layer, or an empty string in images of other builders.
        contents: Packages in the layer, or the command that made it.
    """

    blob: Descriptor
    diff_id: Digest
    name: str
    contents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Image of a platform: manifest, as bytes and parsed, and configuration."""

    document: Document
    manifest: Manifest
    config: ImageConfig

    @property
    def platform(self) -> Platform:
        """Platform of the image."""
        return self.config.platform

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Layers from the bottom up."""
        return tuple(
            Layer(blob=blob, diff_id=diff_id, name=name, contents=contents)
            for blob, diff_id, (name, contents) in zip(
                self.manifest.layers, self.config.diff_ids, self.config.history, strict=True
            )
        )

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Descriptors of the configuration and of all layers."""
        return (self.manifest.config, *self.manifest.layers)

    @property
    def size(self) -> int:
        """Size of all blobs in bytes, compressed."""
        return sum(blob.size for blob in self.blobs)

    @classmethod
    def parse(cls, document: Document, config: bytes) -> Image:
        """Parse a manifest and its configuration.

        Args:
            document: The manifest.
            config: Contents of the configuration blob.

        Raises:
            LayoutError: One of them is malformed, a layer has an unknown media type, or the numbers of layers differ.
        """
        where = f"manifest {document.digest}"
        manifest = parse(document.data, Manifest.from_dict, where)
        parsed = parse(config, ImageConfig.from_dict, f"configuration {manifest.config.digest}")
        problems = [
            f"layer {layer.digest} is a {layer.media_type}" for layer in manifest.layers if _has_unknown_type(layer)
        ]
        if len(manifest.layers) != len(parsed.diff_ids):
            problems.append(f"has {len(manifest.layers)} layers, its configuration {len(parsed.diff_ids)}")
        if problems:
            raise LayoutError(where, problems, hint="build the image again: invoke build")
        return cls(document=document, manifest=manifest, config=parsed)


def parse(data: bytes, read: Callable[[Mapping[str, Any]], _T], where: str) -> _T:
    """Parse a JSON document.

    Args:
        data: JSON as bytes.
        read: Builds the value from the decoded object.
        where: Name of the document for error messages.

    Raises:
        LayoutError: The document is not JSON, or a field is missing or invalid.
    """
    try:
        return read(json.loads(data))
    except KeyError as error:
        raise LayoutError(where, [f"field {error.args[0]!r} is missing"]) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise LayoutError(where, [f"malformed: {error}"]) from error


def _name_and_contents(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return name and contents of a layer from its history entry; other builders record a command instead."""
    author, _, name = (entry.get("created_by") or "").partition(" ")
    if author == _AUTHOR:
        return name, entry.get("comment") or ""
    return "", entry.get("created_by") or entry.get("comment") or ""


def _has_unknown_type(layer: Descriptor) -> bool:
    return layer.media_type not in media_types.LAYERS

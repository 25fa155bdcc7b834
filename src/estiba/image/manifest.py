"""The documents of an OCI image: descriptor, platform, manifest, index and configuration."""

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
"""First word of `created_by` in the history of our images; the layer's name follows."""

_SYSTEMS: Final = {"x86_64-linux": ("linux", "amd64"), "aarch64-linux": ("linux", "arm64")}


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Platform:
    """An operating system and processor in OCI's words."""

    os: str
    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        """Return `linux/arm64`, with the variant if there is one."""
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    @property
    def system(self) -> str:
        """The Nix system name, or OCI's name where Nix has none here."""
        found = [system for system, pair in _SYSTEMS.items() if pair == (self.os, self.architecture)]
        return found[0] if found else str(self)

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `linux/arm64` or `aarch64-linux`.

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
        """Read the `platform` of an index entry, or the same fields of a configuration."""
        return cls(os=data["os"], architecture=data["architecture"], variant=data.get("variant", ""))

    def to_dict(self) -> dict[str, str]:
        """Return the form that an index holds."""
        variant = {"variant": self.variant} if self.variant else {}
        return {"os": self.os, "architecture": self.architecture, **variant}


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A pointer to a blob: what it is, its digest and its size in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Platform | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Descriptor:
        """Read a descriptor."""
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
        """Return the form that a manifest or index holds."""
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
    """A manifest or index as it was read: its type and the very bytes that its digest is of."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> Digest:
        """The digest of the bytes."""
        return Digest.of_bytes(self.data)

    @property
    def descriptor(self) -> Descriptor:
        """A descriptor of this document."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The manifest of one platform's image: its configuration and layers, in order."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Read a manifest."""
        return cls(
            config=Descriptor.from_dict(data["config"]),
            layers=tuple(Descriptor.from_dict(layer) for layer in data["layers"]),
            annotations=dict(data.get("annotations") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An image index: one descriptor for each platform's manifest."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Index:
        """Read an index."""
        return cls(
            manifests=tuple(Descriptor.from_dict(entry) for entry in data["manifests"]),
            annotations=dict(data.get("annotations") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """The configuration of one platform's image, as far as Estiba needs it.

    Attributes:
        platform: What it runs on.
        diff_ids: Digests of the uncompressed layers.
        history: What each layer is called and holds, from the history; as many as there are layers.
        labels: The image's labels.
    """

    platform: Platform
    diff_ids: tuple[Digest, ...]
    history: tuple[tuple[str, str], ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ImageConfig:
        """Read a configuration."""
        diff_ids = tuple(Digest.parse(digest) for digest in data["rootfs"]["diff_ids"])
        history = [entry for entry in data.get("history") or [] if not entry.get("empty_layer")]
        told = [_name_and_contents(entry) for entry in history][: len(diff_ids)]
        return cls(
            platform=Platform.from_dict(data),
            diff_ids=diff_ids,
            history=(*told, *[("", "")] * (len(diff_ids) - len(told))),
            labels=dict((data.get("config") or {}).get("Labels") or {}),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of an image: its compressed blob, the digest of its tar, its name and what it holds."""

    blob: Descriptor
    diff_id: Digest
    name: str
    contents: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One platform's image: its manifest with the bytes it was read from, and its configuration."""

    document: Document
    manifest: Manifest
    config: ImageConfig

    @property
    def platform(self) -> Platform:
        """What the image runs on."""
        return self.config.platform

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers from the bottom up."""
        return tuple(
            Layer(blob=blob, diff_id=diff_id, name=name, contents=contents)
            for blob, diff_id, (name, contents) in zip(
                self.manifest.layers, self.config.diff_ids, self.config.history, strict=True
            )
        )

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """The configuration and all layers."""
        return (self.manifest.config, *self.manifest.layers)

    @property
    def size(self) -> int:
        """Bytes of all blobs, compressed."""
        return sum(blob.size for blob in self.blobs)

    @classmethod
    def parse(cls, document: Document, config: bytes) -> Image:
        """Read a manifest and its configuration.

        Raises:
            LayoutError: One of them is malformed, or they disagree on the number of layers.
        """
        where = f"manifest {document.digest}"
        manifest = parse(document.data, Manifest.from_dict, where)
        parsed = parse(config, ImageConfig.from_dict, f"configuration {manifest.config.digest}")
        problems = [f"layer {layer.digest} is a {layer.media_type}" for layer in manifest.layers if _is_alien(layer)]
        if len(manifest.layers) != len(parsed.diff_ids):
            problems.append(f"has {len(manifest.layers)} layers, its configuration {len(parsed.diff_ids)}")
        if problems:
            raise LayoutError(where, problems, hint="build the image again: invoke build")
        return cls(document=document, manifest=manifest, config=parsed)


def parse(data: bytes, read: Callable[[Mapping[str, Any]], _T], where: str) -> _T:
    """Read JSON bytes into a value.

    Raises:
        LayoutError: They are no JSON, or a field is missing or wrong.
    """
    try:
        return read(json.loads(data))
    except KeyError as error:
        raise LayoutError(where, [f"field {error.args[0]!r} is missing"]) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise LayoutError(where, [f"malformed: {error}"]) from error


def _name_and_contents(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Split an entry of the history; other builders than ours tell the command instead of a name."""
    author, _, name = (entry.get("created_by") or "").partition(" ")
    if author == _AUTHOR:
        return name, entry.get("comment") or ""
    return "", entry.get("created_by") or entry.get("comment") or ""


def _is_alien(layer: Descriptor) -> bool:
    return layer.media_type not in media_types.LAYERS

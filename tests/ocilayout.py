"""Writes small OCI image layouts with real tars, in the form that a build leaves."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import zstandard

from estiba.digest import Digest
from estiba.image import media_types

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """A layer to write: what it is called and holds, and its files, path to bytes."""

    name: str
    contents: str
    files: Mapping[str, bytes]
    mtime: int = 1
    compression: str = "zstd"

    def tar(self) -> bytes:
        """Return its tar, sorted and with fixed owners and times."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, data in sorted(self.files.items()):
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime, entry.mode = len(data), self.mtime, 0o755
                archive.addfile(entry, io.BytesIO(data))
        return buffer.getvalue()

    def blob(self) -> tuple[str, bytes]:
        """Return the media type and the compressed bytes."""
        match self.compression:
            case "zstd":
                return media_types.LAYER_ZSTD, zstandard.ZstdCompressor(level=3).compress(self.tar())
            case "gzip":
                return media_types.LAYER_GZIP, gzip.compress(self.tar(), mtime=0)
            case _:
                return media_types.LAYER_TAR, self.tar()


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """An image to write, for one platform."""

    layers: Sequence[LayerSpec]
    architecture: str = "amd64"
    command: Sequence[str] = ()
    sbom: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class _Writer:
    path: Path

    def blob(self, data: bytes) -> dict[str, Any]:
        digest = Digest.of_bytes(data)
        file = self.path / "blobs" / "sha256" / digest.hex
        file.write_bytes(data)
        return {"digest": str(digest), "size": len(data)}

    def document(self, data: Mapping[str, Any]) -> dict[str, Any]:
        return self.blob(json.dumps(data, sort_keys=True).encode())

    def image(self, spec: ImageSpec, annotations: Mapping[str, str]) -> dict[str, Any]:
        platform = {"os": "linux", "architecture": spec.architecture}
        layers = []
        for layer in spec.layers:
            kind, data = layer.blob()
            layers.append({"mediaType": kind, **self.blob(data)})
        config = self.document(
            {
                **platform,
                "config": {"Cmd": list(spec.command), "Labels": dict(annotations)},
                "created": "2024-05-01T10:00:00Z",
                "history": [{"created_by": f"estiba {layer.name}", "comment": layer.contents} for layer in spec.layers],
                "rootfs": {"type": "layers", "diff_ids": [str(Digest.of_bytes(layer.tar())) for layer in spec.layers]},
            }
        )
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_types.MANIFEST,
            "config": {"mediaType": media_types.CONFIG, **config},
            "layers": layers,
            "annotations": dict(annotations),
        }
        for name, data in spec.sbom.items():
            (self.path / "sbom").mkdir(exist_ok=True)
            (self.path / "sbom" / name).write_bytes(data)
        return {"mediaType": media_types.MANIFEST, **self.document(manifest), "platform": platform}


def write(
    path: Path, images: Sequence[ImageSpec], *, name: str = "shop:1.0", annotations: Mapping[str, str] | None = None
) -> Path:
    """Write a layout with one index of all images and return its folder."""
    (path / "blobs" / "sha256").mkdir(parents=True)
    writer = _Writer(path)
    notes = dict(annotations or {})
    index = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [writer.image(spec, notes) for spec in images],
        "annotations": notes,
    }
    top = {"mediaType": media_types.INDEX, **writer.document(index), "annotations": {media_types.REF_NAME: name}}
    (path / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [top]}, sort_keys=True)
    )
    (path / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))
    return path


def service(code: bytes = b"print('hello')\n", *, compression: str = "zstd", sbom: bool = True) -> list[ImageSpec]:
    """Return a service's image for both platforms: a base of each, and a shared application."""
    images = []
    for architecture, system in (("amd64", "x86_64-linux"), ("arm64", "aarch64-linux")):
        base = LayerSpec(
            name="base",
            contents=f"libc6 2.41 {architecture}",
            files={"usr/lib/libc.so": architecture.encode() * 5000},
            compression=compression,
        )
        packages = LayerSpec(
            name="python-django",
            contents="django 5.2.1",
            files={"opt/venv/django.py": b"# django\n" * 3000},
            compression=compression,
        )
        app = LayerSpec(name="application", contents="shop 1.0", files={"app/manage.py": code}, compression=compression)
        records = {
            f"{system}.cdx.json": json.dumps({"bomFormat": "CycloneDX", "arch": architecture}).encode(),
            f"{system}.spdx.json": json.dumps({"spdxVersion": "SPDX-2.3", "arch": architecture}).encode(),
        }
        images.append(ImageSpec(layers=(base, packages, app), architecture=architecture, sbom=records if sbom else {}))
    return images

"""Builder: the OCI image layout of a service: an index with one image per platform (OCI image specification 1.1)."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import attrs

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


class Layer(NamedTuple):
    """A built layer: its description and its blob."""

    description: dict[str, Any]
    blob: Path

    @classmethod
    def load(cls, path: Path) -> "Layer":
        """Read what `layer.write` has written."""
        return cls(description=json.loads((path / "layer.json").read_text()), blob=path / "blob")

    @property
    def descriptor(self) -> dict[str, Any]:
        """The layer's content descriptor."""
        return {"mediaType": self.description["media_type"], **_pick(self.description, "digest", "size")}


class Layout:
    """An OCI layout being written."""

    def __init__(self, top: Path) -> None:
        self._blobs = top / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        self._top = top
        self._write(top / "oci-layout", {"imageLayoutVersion": "1.0.0"})

    def add(self, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
        """Store a JSON document as a blob and return its descriptor."""
        data = _encode(document)
        digest = hashlib.sha256(data).hexdigest()
        (self._blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def link(self, layer: Layer) -> None:
        """Refer to a layer's blob where it is in the store, so that a new image costs only what is new."""
        place = self._blobs / layer.description["digest"].removeprefix("sha256:")
        if not place.is_symlink():
            place.symlink_to(layer.blob)

    def finish(self, index: dict[str, Any], name: str) -> None:
        """Write `index.json` with its one entry."""
        entry = {**index, "annotations": {"org.opencontainers.image.ref.name": name}}
        self._write(self._top / "index.json", {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]})

    @staticmethod
    def _write(path: Path, document: dict[str, Any]) -> None:
        path.write_bytes(_encode(document))


def add_platform(layout: Layout, given: dict[str, Any], platform: dict[str, Any]) -> dict[str, Any]:
    """Add one platform's image and return its descriptor for the index.

    Args:
        layout: Where it goes.
        given: What all platforms share: `config`, `annotations`, `created`.
        platform: `oci` (os, architecture, variant) and `layers` (store paths, lowest first).
    """
    layers = [layer for layer in map(Layer.load, map(Path, platform["layers"])) if not layer.description["empty"]]
    for layer in layers:
        layout.link(layer)
    config = {
        **platform["oci"],
        "created": given["created"],
        "config": {**given["config"], "Labels": given["annotations"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.description["diff_id"] for layer in layers]},
        "history": [{"created": given["created"], **_history(layer)} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": layout.add(_CONFIG, config),
        "layers": [layer.descriptor for layer in layers],
        "annotations": given["annotations"],
    }
    return {**layout.add(_MANIFEST, manifest), "platform": platform["oci"]}


def summary(digest: str, platforms: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what `invoke build --json` prints, without the path.

    Args:
        digest: The image index's.
        platforms: `name` and `layers` (store paths) of each.
    """
    layers = []
    for platform in platforms:
        for layer in map(Layer.load, map(Path, platform["layers"])):
            if not layer.description["empty"]:
                fields = _pick(layer.description, "contents", "diff_id", "digest", "name", "size", "unpacked")
                layers.append({**fields, "platform": platform["name"]})
    return {"digest": digest, "layers": layers, "platforms": [platform["name"] for platform in platforms]}


def main() -> None:
    """Build the derivation."""
    given = attrs.load()
    out = attrs.output(given)
    out.mkdir()
    layout = Layout(out)
    manifests = [add_platform(layout, given, platform) for platform in given["platforms"]]
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests, "annotations": given["annotations"]}
    descriptor = layout.add(_INDEX, index)
    layout.finish(descriptor, given["reference"])
    (out / "estiba.json").write_bytes(_encode(summary(descriptor["digest"], given["platforms"]), indent=1))
    (out / "sbom").mkdir()
    for platform in given["platforms"]:
        for kind in ("cdx", "spdx"):
            (out / "sbom" / f"{platform['name']}.{kind}.json").symlink_to(f"{platform['sbom']}/{kind}.json")


def _history(layer: Layer) -> dict[str, str]:
    contents = ", ".join(layer.description["contents"])
    return {"created_by": f"estiba {layer.description['name']}", "comment": contents}


def _pick(source: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: source[key] for key in keys}


def _encode(document: dict[str, Any], indent: int | None = None) -> bytes:
    separators = (",", ":") if indent is None else None
    return json.dumps(document, indent=indent, sort_keys=True, separators=separators).encode() + b"\n" * (indent or 0)


if __name__ == "__main__":
    main()

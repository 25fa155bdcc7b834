from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import image

CREATED = "2026-03-01T10:00:00Z"
ANNOTATIONS = {"org.opencontainers.image.title": "shop", "org.opencontainers.image.version": "1.0"}
GIVEN = {"config": {"User": "10001:10001", "Cmd": ["web"]}, "annotations": ANNOTATIONS, "created": CREATED}
OCI = {
    "aarch64-linux": {"architecture": "arm64", "os": "linux", "variant": "v8"},
    "x86_64-linux": {"architecture": "amd64", "os": "linux"},
}


def digest(data: bytes) -> str:
    """Return the digest as OCI writes it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(folder: Path, name: str, content: bytes, *, empty: bool = False) -> str:
    """Write a layer as `layer.write` does and return its folder."""
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "blob").write_bytes(content)
    description = {
        "contents": [f"{name} 1.0", "other 2"],
        "diff_id": digest(b"tar of " + content),
        "digest": digest(content),
        "empty": empty,
        "media_type": "application/vnd.oci.image.layer.v1.tar+zstd",
        "name": name,
        "size": len(content),
        "unpacked": 10 * len(content),
    }
    (folder / name / "layer.json").write_text(json.dumps(description))
    return str(folder / name)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """Describe an image for both platforms that share their application, with one empty layer."""
    shared = layer(tmp_path, "application", b"app")
    nothing = layer(tmp_path, "static", b"", empty=True)
    platforms = [
        {
            "name": name,
            "oci": oci,
            "layers": [layer(tmp_path, f"debian-{name}", name.encode()), nothing, shared],
            "sbom": "/s",
        }
        for name, oci in OCI.items()
    ]
    return {**GIVEN, "reference": "shop:1.0", "platforms": platforms, "outputs": {"out": str(tmp_path / "out")}}


@pytest.fixture
def layout(given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build the image and return its layout."""
    (tmp_path / "attrs.json").write_text(json.dumps(given))
    monkeypatch.setenv("NIX_ATTRS_JSON_FILE", str(tmp_path / "attrs.json"))
    image.main()
    return tmp_path / "out"


def blob(layout: Path, descriptor: dict[str, Any]) -> bytes:
    """Read a blob and hold it against its descriptor."""
    data = Path(layout, "blobs/sha256", descriptor["digest"].removeprefix("sha256:")).read_bytes()
    assert (digest(data), len(data)) == (descriptor["digest"], descriptor["size"])
    return data


def load(layout: Path, descriptor: dict[str, Any]) -> dict[str, Any]:
    """Read a JSON blob."""
    document: dict[str, Any] = json.loads(blob(layout, descriptor))
    return document


def index_of(layout: Path) -> dict[str, Any]:
    """Read the image index."""
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    return load(layout, entry)


def test_layout_has_one_named_entry(layout: Path) -> None:
    """The layout is of version 1.0.0 and names one thing: the index of all platforms."""
    assert json.loads((layout / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    assert entry["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "shop:1.0"}


def test_index_has_an_image_per_platform(layout: Path) -> None:
    """Every manifest says for which platform it is; there are no other entries."""
    index = index_of(layout)

    assert (index["schemaVersion"], index["mediaType"]) == (2, "application/vnd.oci.image.index.v1+json")
    assert [entry["platform"] for entry in index["manifests"]] == list(OCI.values())
    assert index["annotations"] == ANNOTATIONS


def test_manifest_lists_what_has_files(layout: Path) -> None:
    """Config and layers have their sizes and digests; an empty layer is left out."""
    for entry in index_of(layout)["manifests"]:
        manifest = load(layout, entry)
        assert manifest["config"]["mediaType"] == "application/vnd.oci.image.config.v1+json"
        assert [blob(layout, each) for each in manifest["layers"]][1:] == [b"app"]
        assert {each["mediaType"] for each in manifest["layers"]} == {"application/vnd.oci.image.layer.v1.tar+zstd"}
        assert manifest["annotations"] == ANNOTATIONS


def test_config_agrees_with_its_layers(layout: Path) -> None:
    """There is one diff_id and one line of history per layer; the time is the commit's."""
    for entry, oci in zip(index_of(layout)["manifests"], OCI.values(), strict=True):
        config = load(layout, load(layout, entry)["config"])
        assert config.items() >= oci.items()
        assert config["config"] == {"User": "10001:10001", "Cmd": ["web"], "Labels": ANNOTATIONS}
        assert config["rootfs"]["type"] == "layers"
        assert config["rootfs"]["diff_ids"][1] == digest(b"tar of app")
        assert len(config["history"]) == len(config["rootfs"]["diff_ids"])
        assert config["history"][1] == {
            "created": CREATED, "created_by": "estiba application", "comment": "application 1.0, other 2",
        }  # fmt: skip
        assert config["created"] == CREATED


def test_layers_are_links(layout: Path) -> None:
    """Blobs of layers stay where they were built; only JSON is written anew."""
    linked = {path.readlink().parent.name for path in (layout / "blobs/sha256").iterdir() if path.is_symlink()}

    assert linked == {"application", "debian-aarch64-linux", "debian-x86_64-linux"}


def test_summary_for_programs(layout: Path) -> None:
    """`estiba.json` has the digest that a registry will show, and every layer with its platform."""
    summary = json.loads((layout / "estiba.json").read_text())

    assert summary["digest"] == json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert summary["platforms"] == list(OCI)
    assert [(each["platform"], each["name"]) for each in summary["layers"]] == [
        (name, f"{kind}{suffix}") for name in OCI for kind, suffix in (("debian-", name), ("application", ""))
    ]
    assert summary["layers"][1] == {
        "contents": ["application 1.0", "other 2"], "diff_id": digest(b"tar of app"), "digest": digest(b"app"),
        "name": "application", "platform": "aarch64-linux", "size": 3, "unpacked": 30,
    }  # fmt: skip


def test_bills_of_materials_lie_beside(layout: Path) -> None:
    """Both formats of each platform are links to where they were built."""
    assert {path.name: str(path.readlink()) for path in (layout / "sbom").iterdir()} == {
        f"{name}.{kind}.json": f"/s/{kind}.json" for name in OCI for kind in ("cdx", "spdx")
    }


def test_another_folder_gives_the_same_digest(layout: Path, given: dict[str, Any], tmp_path: Path) -> None:
    """The index depends on what is in the image alone."""
    before = json.loads((layout / "index.json").read_text())
    other = image.Layout(tmp_path / "other")
    manifests = [image.add_platform(other, given, platform) for platform in given["platforms"]]

    assert manifests == index_of(layout)["manifests"]
    assert json.loads((layout / "index.json").read_text()) == before

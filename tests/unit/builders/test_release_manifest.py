from __future__ import annotations

import json
from typing import TYPE_CHECKING

import release_manifest as builder
from estiba import release_manifest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

INDEX = {
    "manifests": [
        {"digest": f"sha256:{'a' * 64}", "platform": {"architecture": "amd64", "os": "linux"}},
        {"digest": f"sha256:{'b' * 64}", "platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}},
    ]
}


def layout(folder: Path) -> Path:
    """Write what the builder reads of an OCI layout."""
    (folder / "blobs/sha256").mkdir(parents=True)
    (folder / "blobs/sha256" / ("c" * 64)).write_text(json.dumps(INDEX))
    (folder / "index.json").write_text(json.dumps({"manifests": [{"digest": f"sha256:{'c' * 64}"}]}))
    return folder


def test_library_reads_what_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Builder and library mean the same format; platforms are named as OCI names them."""
    migrations = {
        "contracts": {},
        "heads": {"shop": ["0001_initial"]},
        "irreversible": {},
        "names": ["shop.0001_initial"],
    }
    (tmp_path / "migrations.json").write_text(json.dumps(migrations))
    given = {
        "service": "shop",
        "version": "1",
        "revision": "",
        "lock": f"sha256:{'d' * 64}",
        "migrations": str(tmp_path / "migrations.json"),
        "image": str(layout(tmp_path / "image")),
        "host": None,
        "static": str(tmp_path),
        "outputs": {"out": str(tmp_path / "out")},
    }
    (tmp_path / "place.json").write_text('{"remote": true}')
    (tmp_path / "attrs.json").write_text(json.dumps(given))
    monkeypatch.setenv("NIX_ATTRS_JSON_FILE", str(tmp_path / "attrs.json"))
    monkeypatch.setattr("gc.disable", lambda: None)

    builder.main()

    found = release_manifest.load(tmp_path / "out" / release_manifest.FILE_NAME)
    assert found.image is not None
    assert sorted(found.image.platforms) == ["linux/amd64", "linux/arm64/v8"]
    assert found.migrations.heads == {"shop": ("0001_initial",)}
    assert (found.host, dict(found.gates), found.uploads) == (None, {}, True)

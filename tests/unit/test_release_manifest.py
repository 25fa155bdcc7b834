from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from estiba import release_manifest
from estiba.digest import Digest
from estiba.errors import ReleaseError
from estiba.release_manifest import Migrations, ReleaseImage, ReleaseManifest

MANIFEST = ReleaseManifest(
    service="shop",
    version="1.4.0",
    commit="4f3a",
    lock=Digest.of_bytes(b"lock"),
    migrations=Migrations(
        heads={"shop": ("0002_price",), "auth": ("0012_alter_user_first_name_max_length",)},
        names=("auth.0012_alter_user_first_name_max_length", "shop.0001_initial", "shop.0002_price"),
        contracts={"shop.0002_price": ("drops shop.item.cost",)},
        irreversible={"shop.0002_price": ("Raw Python operation",)},
    ),
    image=ReleaseImage(
        digest=Digest.of_bytes(b"index"),
        path=Path("/nix/store/00000000000000000000000000000000-image"),
        platforms={"linux/amd64": Digest.of_bytes(b"amd64")},
    ),
    host=Path("/nix/store/00000000000000000000000000000000-host"),
)


def test_form_is_read_as_it_is_written() -> None:
    """A manifest goes through its file unchanged, the evidence of gates too."""
    passed = MANIFEST.with_gate("tests", {"passed": 412})

    assert release_manifest.parse(release_manifest.render(passed)) == passed
    assert passed.gates == {"tests": {"passed": 412}}
    assert MANIFEST.gates == {}


def test_migrations_since_an_earlier_release_keep_their_order() -> None:
    """What the earlier one has as well is left out."""
    earlier = dataclasses.replace(MANIFEST.migrations, names=("shop.0001_initial",))

    assert MANIFEST.migrations.since(earlier) == ("auth.0012_alter_user_first_name_max_length", "shop.0002_price")


def test_parts_may_be_missing() -> None:
    """Not every kind of target takes an image, nor a host's programs."""
    data = {**MANIFEST.to_dict(), "image": None, "host": None}

    found = release_manifest.parse(json.dumps(data))

    assert (found.image, found.host) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"lock": "md5:1"}, id="digest"),
        pytest.param({"service": 3}, id="number"),
        pytest.param({"migrations": []}, id="list"),
        pytest.param({"image": {"digest": "sha256:1"}}, id="image"),
        pytest.param({"host": 7}, id="host"),
        pytest.param({"gates": None}, id="gates"),
    ],
)
def test_wrong_values_are_one_error(change: dict[str, Any], tmp_path: Path) -> None:
    """A damaged manifest is refused as a whole, with its file's name."""
    file = tmp_path / "release.json"
    file.write_text(json.dumps({**MANIFEST.to_dict(), **change}))

    with pytest.raises(ReleaseError) as caught:
        release_manifest.load(file)

    assert caught.value.message.startswith(f"{file}: not a release manifest: ")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 1}', b"\xff", b"[" * 200_000], ids=range(5))
def test_other_files_are_no_manifests(content: bytes, tmp_path: Path) -> None:
    """What is empty, damaged, too deep or of another format is told with the file's name and what to do."""
    file = tmp_path / "release.json"
    file.write_bytes(content)

    with pytest.raises(ReleaseError) as caught:
        release_manifest.load(file)

    assert str(file) in caught.value.message
    assert caught.value.hint


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    """It is named, with the command that writes one."""
    with pytest.raises(ReleaseError, match="cannot be read") as caught:
        release_manifest.load(tmp_path / "release.json")

    assert caught.value.hint == "invoke deploy builds the release and writes it"

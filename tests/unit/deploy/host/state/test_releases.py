from __future__ import annotations

from pathlib import Path

import pytest

from estiba.deploy.host.state.folder import StateFolder
from estiba.deploy.host.state.releases import Known, ReleaseRecords
from estiba.digest import Digest
from estiba.release_manifest import Migrations, ReleaseManifest

ONE, TWO = Path("/nix/store/1-host"), Path("/nix/store/2-host")
MANIFEST = ReleaseManifest(
    service="shop",
    version="1.0",
    commit="",
    lock=Digest.of_bytes(b""),
    migrations=Migrations(heads={}, names=("shop.0001",), contracts={}, irreversible={}),
    image=None,
    host=ONE,
)


@pytest.fixture
def releases(tmp_path: Path) -> ReleaseRecords:
    """Return the records of a target that has none yet."""
    folder = StateFolder.at(tmp_path / "state")
    folder.prepare()
    return ReleaseRecords(folder=folder)


def test_release_is_verified_once_its_tests_have_passed(releases: ReleaseRecords) -> None:
    """It stays so when it is deployed again."""
    releases.add(ONE, MANIFEST)
    assert releases.load(ONE) == Known(manifest=MANIFEST, is_verified=False)

    releases.verify(ONE)
    releases.add(ONE, MANIFEST)

    assert releases.load(ONE) == Known(manifest=MANIFEST, is_verified=True)


@pytest.mark.parametrize("text", [None, "", "{", '{"manifest": {"format": 99}}', '{"manifest": 1}'])
def test_release_without_a_record_can_be_returned_to(releases: ReleaseRecords, text: str | None) -> None:
    """Earlier versions of Estiba kept no manifest, and a power failure may leave an empty file."""
    if text is not None:
        releases.add(ONE, MANIFEST)
        releases._file(ONE).write_text(text)

    assert releases.load(ONE) == Known(manifest=None, is_verified=True)


def test_records_go_with_their_releases(releases: ReleaseRecords) -> None:
    """What cannot be returned to needs no manifest."""
    for path in (ONE, TWO):
        releases.add(path, MANIFEST)
        releases.verify(path)

    releases.prune([TWO])

    assert releases.load(ONE).manifest is None
    assert releases.load(TWO).manifest == MANIFEST

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from estiba.cache import archive
from estiba.cache.address import Address
from estiba.cache.remote import PathInfo
from estiba.digest import Digest

if TYPE_CHECKING:
    from pathlib import Path

BYTES = b"an archive"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a cache with one archive."""
    (tmp_path / "cache/nar").mkdir(parents=True)
    (tmp_path / "cache/nar/a.nar.zst").write_bytes(BYTES)
    (tmp_path / "cache/zil1z8fyrc7mlj7dd23lwp4mnywijbwh.narinfo").write_text("")
    return tmp_path / "cache"


def entry(url: str = "nar/a.nar.zst") -> PathInfo:
    """Return what the cache says of its archive."""
    return PathInfo(
        path="/nix/store/zil1z8fyrc7mlj7dd23lwp4mnywijbwh-pair",
        nar_hash="sha256-A",
        nar_size=100,
        url=url,
        file_hash=Digest.of_bytes(BYTES).sri,
        file_size=len(BYTES),
    )


def test_whole_archive_has_no_damage(place: Path) -> None:
    """Size and hash are what the cache says."""
    assert archive.find_damage(Address.parse(str(place)), entry(), thorough=True) == ""


@pytest.mark.parametrize(
    ("content", "thorough", "expected"),
    [
        (None, False, "its archive is missing"),
        (b"an arch", False, "its archive has 7 bytes instead of 10"),
        (b"an ARCHIVE", False, ""),
        (b"an ARCHIVE", True, "its archive has another hash"),
    ],
    ids=["missing", "cut", "changed, not read", "changed, read"],
)
def test_damage_is_described(place: Path, content: bytes | None, expected: str, *, thorough: bool) -> None:
    """A look at the size is cheap; whoever wants to know reads it all."""
    file = place / "nar/a.nar.zst"
    file.unlink()
    if content is not None:
        file.write_bytes(content)

    assert archive.find_damage(Address.parse(str(place)), entry(), thorough=thorough) == expected


def test_server_is_taken_at_its_word() -> None:
    """A server's archives are not downloaded to look at them."""
    assert archive.find_damage(Address.parse("http://localhost:8080"), entry(), thorough=True) == ""


def test_withdrawn_path_is_gone(place: Path) -> None:
    """The record and the archive go, and a second time does no harm."""
    for _ in range(2):
        archive.remove(Address.parse(str(place)), entry())

    assert [file.name for file in place.rglob("*") if file.is_file()] == []


def test_nothing_outside_is_touched(place: Path) -> None:
    """A cache that somebody else wrote may name any file."""
    victim = place.parent / "victim"
    victim.write_text("kept")

    archive.remove(Address.parse(str(place)), entry("../victim"))

    assert archive.find_damage(Address.parse(str(place)), entry("../victim")) == ""
    assert victim.read_text() == "kept"

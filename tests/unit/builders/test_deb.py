from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests import debfile

import deb

if TYPE_CHECKING:
    from pathlib import Path


def test_members_of_odd_length_are_padded() -> None:
    """Members start at even offsets; the names lose their padding and GNU's slash."""
    archive = debfile.ar([("debian-binary", b"2.0\n"), ("odd/", b"abc"), ("even", b"de")])

    assert list(deb.members(archive)) == [("debian-binary", b"2.0\n"), ("odd", b"abc"), ("even", b"de")]


def test_not_an_archive() -> None:
    """Other files are told apart by their first bytes."""
    with pytest.raises(ValueError, match=r"^not a Debian package: no ar magic$"):
        list(deb.members(b"PK\x03\x04"))


@pytest.mark.parametrize("compression", ["xz", "gz", "bz2"])
def test_tarballs_of_every_compression(tmp_path: Path, compression: str) -> None:
    """Both tarballs open, whatever the package is compressed with."""
    members = [debfile.Member(path="./usr/bin/hello", content=b"hi")]
    path = debfile.write(tmp_path / "hello_1.0_all.deb", members, compression=compression)

    control, data = deb.tarballs(path)

    with control, data:
        assert deb.control(control)["control"].startswith(b"Package: hello\n")
        assert data.getnames() == ["./usr/bin/hello"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(debfile.ar([("debian-binary", b"2.0\n")]), id="no tarballs"),
        pytest.param(debfile.ar([("control.tar.zst", b"\x28\xb5\x2f\xfd"), ("data.tar.zst", b"")]), id="zstd"),
    ],
)
def test_unreadable_packages_are_named(tmp_path: Path, content: bytes) -> None:
    """An archive without readable tarballs is refused with the file's name."""
    (tmp_path / "x_1_all.deb").write_bytes(content)

    with pytest.raises(ValueError, match=r"^x_1_all.deb: not a Debian package that this library can read: "):
        deb.tarballs(tmp_path / "x_1_all.deb")


@pytest.mark.parametrize("size", ["-60", "", "1e3", "0x10"])
def test_size_is_a_number_of_bytes(size: str) -> None:
    """A negative one would lead back to the same member for ever."""
    header = f"{'control.tar.xz/':16}{'0':12}{'0':6}{'0':6}{'100644':8}{size:10}`\n"

    with pytest.raises(ValueError, match="a member without a size"):
        list(deb.members(b"!<arch>\n" + header.encode()))

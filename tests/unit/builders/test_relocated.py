from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from tests import debfile

import kubernetes
import relocated


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("./usr/bin/git", "usr/bin/git"),
        ("./bin/cat", "usr/bin/cat"),
        ("./lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("./lib/", "usr/lib"),
        ("./libx32", "usr/libx32"),
        ("./library", "library"),
        ("./usr/share/doc/git/copyright", ""),
        ("./var/lib/git/", ""),
    ],
)
def test_place_of_a_member(name: str, expected: str) -> None:
    """Merged-usr folders are moved; what no program reads at run time is left out."""
    assert relocated.place(name) == expected


def test_links_stay_in_the_tree(tmp_path: Path) -> None:
    """An absolute link would lead to the machine's own files; it is made to point into the tree."""
    members = [
        debfile.Member(path="./usr/lib/libz.so.1.3", content=b"z"),
        debfile.hardlink("./usr/lib/libz.so.1.2", "./usr/lib/libz.so.1.3"),
        debfile.symlink("./usr/lib/libz.so.1", "libz.so.1.3"),
        debfile.symlink("./usr/lib/libz.so", "/lib/libz.so.1"),
    ]
    relocated.unpack(debfile.write(tmp_path / "zlib_1_amd64.deb", members), tmp_path / "root")

    libraries = tmp_path / "root/usr/lib"
    assert (libraries / "libz.so").readlink() == libraries / "libz.so.1"
    assert (libraries / "libz.so.1").readlink() == Path("libz.so.1.3")
    assert (libraries / "libz.so").read_bytes() == b"z"
    assert (libraries / "libz.so.1.2").samefile(libraries / "libz.so.1.3")


@pytest.mark.parametrize("target", ["usr/bin", "/usr/bin", "./usr/bin"])
@pytest.mark.parametrize("is_first", [True, False])
def test_links_that_merge_usr_are_left_out(tmp_path: Path, target: str, *, is_first: bool) -> None:
    """A package that names `bin -> usr/bin`, as Debian 13's base-files does, changes nothing, whichever comes first."""
    base = debfile.write(
        tmp_path / "base-files_13_amd64.deb", [debfile.symlink("./bin", target), debfile.folder("./usr/bin/")]
    )
    shell = debfile.write(tmp_path / "dash_1_amd64.deb", [debfile.Member(path="./usr/bin/sh", content=b"sh")])
    for package in (base, shell) if is_first else (shell, base):
        relocated.unpack(package, tmp_path / "root")

    assert not (tmp_path / "root/bin").exists()
    assert not (tmp_path / "root/usr/bin").is_symlink()
    assert (tmp_path / "root/usr/bin/sh").read_bytes() == b"sh"


def test_a_folder_is_not_replaced_by_a_link(tmp_path: Path) -> None:
    """Where one package has files, another one's link of the same name would hide them."""
    one = debfile.write(tmp_path / "one_1_all.deb", [debfile.Member(path="./usr/lib/x/data", content=b"1")])
    other = debfile.write(tmp_path / "other_1_all.deb", [debfile.symlink("./usr/lib/x", "../share/x")])
    relocated.unpack(one, tmp_path / "root")
    relocated.unpack(other, tmp_path / "root")

    assert (tmp_path / "root/usr/lib/x/data").read_bytes() == b"1"


@pytest.mark.parametrize("target", ["../share/x", "/usr/share/x"])
def test_a_folder_goes_to_where_a_link_leads(tmp_path: Path, target: str) -> None:
    """A link stays a link, whether what it leads to is there already or not; absolute ones lead into the tree."""
    one = debfile.write(tmp_path / "one_1_all.deb", [debfile.symlink("./usr/lib/x", target)])
    members = [debfile.folder("./usr/lib/x/"), debfile.Member(path="./usr/lib/x/data", content=b"2")]
    other = debfile.write(tmp_path / "other_1_all.deb", members)
    for package in (one, other, other):
        relocated.unpack(package, tmp_path / "root")

    assert (tmp_path / "root/usr/lib/x").is_symlink()
    assert (tmp_path / "root/usr/share/x/data").read_bytes() == b"2"


def test_a_folder_replaces_a_link_to_a_file(tmp_path: Path) -> None:
    """Nothing can be below a file, so its link gives way."""
    members = [debfile.Member(path="./usr/lib/file"), debfile.symlink("./usr/lib/x", "file")]
    one = debfile.write(tmp_path / "one_1_all.deb", members)
    other = debfile.write(tmp_path / "other_1_all.deb", [debfile.Member(path="./usr/lib/x/data", content=b"2")])
    relocated.unpack(one, tmp_path / "root")
    relocated.unpack(other, tmp_path / "root")

    assert (tmp_path / "root/usr/lib/x/data").read_bytes() == b"2"


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """Two packages that cannot be installed together are named, and nothing is lost silently."""
    one = debfile.write(tmp_path / "one_1_all.deb", [debfile.folder("./usr/lib/x/")])
    other = debfile.write(tmp_path / "other_1_all.deb", [debfile.Member(path="./usr/lib/x")])
    relocated.unpack(one, tmp_path / "root")

    with pytest.raises(
        ValueError, match=r"^other_1_all.deb: usr/lib/x is a file here, and a folder in another package$"
    ):
        relocated.unpack(other, tmp_path / "root")


def elf(*kinds: int) -> bytes:
    """Return the start of a 64-bit ELF file with program headers of these kinds."""
    header = bytearray(64)
    header[:4] = b"\x7fELF"
    header[32:40] = (64).to_bytes(8, "little")
    header[54:56] = (56).to_bytes(2, "little")
    header[56:58] = len(kinds).to_bytes(2, "little")
    return bytes(header) + b"".join(kind.to_bytes(4, "little") + bytes(52) for kind in kinds)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (elf(6, 3, 1), True),
        (elf(1, 2), False),
        (b"#!/bin/sh\n", False),
        (b"\x7fELF", False),
        (b"", False),
    ],
    ids=["program", "library", "script", "short", "empty"],
)
def test_only_programs_need_the_loader(tmp_path: Path, content: bytes, *, expected: bool) -> None:
    """An ELF file with an interpreter segment is a program; libraries and scripts are not."""
    (tmp_path / "file").write_bytes(content)

    assert relocated.has_interpreter(tmp_path / "file") is expected


def carrier(path: Path, tarballs: int) -> Path:
    """Write a wheel that carries programs in a zip archive in a tarball."""
    layer, tarball = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("helm/helm", "H")
        archive.writestr("kubectl/kubectl", "K")
    with tarfile.open(fileobj=tarball, mode="w:gz") as archive_:
        header = tarfile.TarInfo("package/lib/layer.zip")
        header.size = len(layer.getvalue())
        archive_.addfile(header, io.BytesIO(layer.getvalue()))
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(tarballs):
            archive.writestr(f"x/{number}.jsii.tgz", tarball.getvalue())
    return path


def test_clients_are_found_in_their_carrier(tmp_path: Path) -> None:
    """Helm and kubectl are taken out of an archive in an archive."""
    assert kubernetes.programs(carrier(tmp_path / "x.whl", 1)) == {"helm": b"H", "kubectl": b"K"}


def test_another_carrier_is_refused(tmp_path: Path) -> None:
    """A wheel of another shape is named, with what was expected."""
    with pytest.raises(ValueError, match=r"^x.whl: expected one jsii tarball, found 0$"):
        kubernetes.programs(carrier(tmp_path / "x.whl", 0))

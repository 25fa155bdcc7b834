from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest
from tests import debfile
from tests.debfile import Member, folder, hardlink, symlink

import debian
import debian_root
import expansion
import standard_library

if TYPE_CHECKING:
    from pathlib import Path

    from entries import Entries


def unpack(tmp_path: Path, *members: Member) -> Entries:
    """Unpack one package with these files."""
    return debian.entries([debfile.write(tmp_path / "hello_1.0_amd64.deb", members)])


def test_files_outside_usr_are_moved(tmp_path: Path) -> None:
    """Debian 12 ships some files in folders that are links in a merged-usr system; they go where the links lead."""
    root = unpack(
        tmp_path,
        folder("./lib/"),
        folder("./lib/x86_64-linux-gnu/"),
        Member(path="./lib/x86_64-linux-gnu/libc.so.6", content=b"libc"),
        Member(path="./bin/cat", content=b"cat", mode=0o755),
        Member(path="./usr/lib/plain", content=b"plain"),
        Member(path="./library/file", content=b"no library"),
    )

    assert {path for path, entry in root.items.items() if entry.content is not None and "dpkg" not in path} == {
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "usr/bin/cat",
        "usr/lib/plain",
        "library/file",
    }
    assert not {"lib", "bin"} & root.items.keys()


def test_loader_is_found_where_programs_look(tmp_path: Path) -> None:
    """Programs name /lib64 for their loader; the link is there when the folder that it leads to is."""
    root = unpack(tmp_path, symlink("./lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))

    assert root.items["lib64"].target == "usr/lib64"
    assert root.items["usr/lib64/ld-linux-x86-64.so.2"].target == "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"


def test_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as more has come out of it than any real package of its size holds."""
    monkeypatch.setattr(expansion, "ALWAYS", 1 << 20)
    path = tmp_path / "hello_1.0_amd64.deb"
    zeros = [Member(path="./usr/zeros", content=bytes(2 << 20))]
    debfile.write(path, zeros, compression="xz")

    with pytest.raises(ValueError, match=r"^hello_1\.0_amd64\.deb has .* unpacks to more than 1,048,576"):
        debian.entries([path])


def test_links_of_base_files_are_not_looped(tmp_path: Path) -> None:
    """Debian 13's base-files brings `bin -> usr/bin` itself, which must not become a link to itself."""
    root = unpack(tmp_path, symlink("./bin", "usr/bin"), symlink("./lib64", "usr/lib64"), folder("./usr/bin/"))

    assert root.items["usr/bin"].target is None
    assert "usr/lib64" not in root.items


def test_hard_links_become_files(tmp_path: Path) -> None:
    """A hard link is the file again, also where both have been moved."""
    root = unpack(
        tmp_path, Member(path="./bin/gzip", content=b"gz", mode=0o755), hardlink("./bin/gunzip", "./bin/gzip")
    )

    assert root.items["usr/bin/gunzip"] == root.items["usr/bin/gzip"]


@pytest.mark.parametrize(("mode", "expected"), [(0o4755, 0o755), (0o2755, 0o755), (0o1777, 0o1777), (0o640, 0o640)])
def test_no_file_gains_privileges(tmp_path: Path, mode: int, expected: int) -> None:
    """Set-user-id and set-group-id bits are dropped, everything belongs to root."""
    root = unpack(tmp_path, Member(path="./usr/bin/su", content=b"su", mode=mode))

    assert (root.items["usr/bin/su"].mode, root.items["usr/bin/su"].uid) == (expected, 0)


def test_documentation_stays_out_and_licences_in(tmp_path: Path) -> None:
    """Manuals, translations and documentation are dropped; licences stay, with the links to those of other packages."""
    root = unpack(
        tmp_path,
        folder("./usr/share/doc/hello/"),
        Member(path="./usr/share/doc/hello/changelog.gz"),
        Member(path="./usr/share/doc/hello/copyright", content=b"GPL"),
        symlink("./usr/share/doc/libhello", "hello"),
        symlink("./usr/share/doc/hello/README", "x"),
        Member(path="./usr/share/man/man1/hello.1.gz"),
        Member(path="./usr/share/locale/es/LC_MESSAGES/hello.mo"),
        Member(path="./usr/share/lintian/overrides/hello"),
        Member(path="./usr/share/docbook/kept"),
    )

    assert [path for path in root.items if path.startswith("usr/share")] == [
        "usr/share/doc/hello/copyright",
        "usr/share/doc/libhello",
        "usr/share/docbook/kept",
    ]


def test_character_sets_that_nobody_converts_are_left_out(tmp_path: Path) -> None:
    """Of iconv's modules the common ones and their lists stay; the library's tests go, and no other folder `test`."""
    gconv = "usr/lib/x86_64-linux-gnu/gconv"
    kept = [f"{gconv}/UTF-16.so", f"{gconv}/ISO8859-15.so", f"{gconv}/gconv-modules.cache", f"{gconv}-more/x"]
    kept += ["usr/lib/python3.13/testing.py", "usr/share/test/x"]
    left = [f"{gconv}/EUC-JP.so", f"{gconv}/ISO8859-1.so.old", f"{gconv}/libJIS.so", "usr/lib/python3.13/test/x.py"]
    root = unpack(tmp_path, *(Member(path=f"./{path}", content=b"x") for path in kept + left))

    assert [path for path in root.items if "dpkg" not in path] == kept


def test_packages_leave_their_records(tmp_path: Path) -> None:
    """Scanners find each package's control file and checksums."""
    sums = b"0cc175b9c0f1b6a831c399e269772661  usr/bin/hello\n"
    root = debian.entries([debfile.write(tmp_path / "hello_1.0_amd64.deb", [], md5sums=sums)])

    control = b"Package: hello\nVersion: 1.0\nArchitecture: amd64\n"
    assert root.items["var/lib/dpkg/status.d/hello"].read() == control
    assert root.items["var/lib/dpkg/status.d/hello.md5sums"].read() == sums


def test_nameless_package_is_refused(tmp_path: Path) -> None:
    """A control file without a name is not guessed at."""
    parts = [("control.tar.xz", debfile.tarball([Member(path="control", content=b"Version: 1\n")]))]
    (tmp_path / "x.deb").write_bytes(debfile.ar([*parts, ("data.tar.xz", debfile.tarball([]))]))

    with pytest.raises(ValueError, match="without a name"):
        debian.entries([tmp_path / "x.deb"])


def test_certificates_are_bundled(tmp_path: Path) -> None:
    """All authorities stand in one file, sorted by name, each ending with a newline, where OpenSSL looks for it."""
    top = "./usr/share/ca-certificates/mozilla/"
    root = unpack(tmp_path, Member(path=f"{top}B.crt", content=b"two"), Member(path=f"{top}A.crt", content=b"one\n"))

    assert root.items["etc/ssl/certs/ca-certificates.crt"].read() == b"one\ntwo\n"
    assert root.items["usr/lib/ssl/cert.pem"].target == "/etc/ssl/certs/ca-certificates.crt"


def test_later_package_wins(tmp_path: Path) -> None:
    """Where two packages have the same file, the one unpacked later has it."""
    packages = [
        debfile.write(tmp_path / f"{name}_1_all.deb", [Member(path="./etc/motd", content=name.encode())])
        for name in ("a", "b")
    ]

    assert debian.entries(packages).items["etc/motd"].read() == b"b"
    assert debian.entries(packages[::-1]).items["etc/motd"].read() == b"a"


def test_skeleton_of_a_base_system() -> None:
    """The base has the image's user without a shell, folders to write to and the merged-usr links."""
    root = debian.skeleton()

    assert b"app:x:10001:10001:app:/tmp:/usr/sbin/nologin\n" in root.items["etc/passwd"].read()
    assert {name: root.items[name].target for name in ("bin", "lib", "sbin")} == {
        "bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/sbin",
    }  # fmt: skip
    assert {name for name, entry in root.items.items() if entry.mode == 0o1777} == {"tmp", "var/tmp"}


def test_only_the_lowest_layer_has_the_skeleton(tmp_path: Path) -> None:
    """A layer above the base adds its packages and nothing else."""
    lower = debfile.write(tmp_path / "hello_1.0_amd64.deb", [Member(path="./usr/bin/hello")])
    upper = debfile.write(tmp_path / "world_1.0_amd64.deb", [Member(path="./usr/bin/world")])
    layers = {"base": {"debs": [str(lower)], "base": True}, "service": {"debs": [str(upper)], "base": False}}
    found = debian_root.entries(layers)

    assert {"etc/passwd", "usr/bin/hello"} <= found["base"].items.keys()
    assert {path for path in found["service"].items if "dpkg" not in path} == {"usr/bin/world"}


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    """Make an interpreter's tree whose library has two modules."""
    top = tmp_path / "compiled"
    library = top / "usr/lib/python3.13"
    (library / "__pycache__").mkdir(parents=True)
    index = {}
    for name in ("a", "absent"):
        (library / f"{name}.py").write_bytes(b"x = 1\n")
        bytecode = f"usr/lib/python3.13/__pycache__/{name}.cpython-313.pyc"
        (top / bytecode).write_bytes(b"code")
        index[f"usr/lib/python3.13/{name}.py"] = (hashlib.sha256(b"x = 1\n").hexdigest(), bytecode)
    (top / "index.json").write_text(json.dumps(index))
    return top


@pytest.mark.parametrize(("content", "expected"), [(b"x = 1\n", True), (b"x = 2\n", False)], ids=["same", "other"])
def test_bytecode_belongs_to_its_source(tmp_path: Path, compiled: Path, content: bytes, *, expected: bool) -> None:
    """Bytecode is there where the source is the one that it was compiled from, and only there."""
    sources = debian.digests(unpack(tmp_path, Member(path="./usr/lib/python3.13/a.py", content=content)))
    found = debian.bytecode(sources, compiled)

    assert list(sources) == ["usr/lib/python3.13/a.py"]
    assert ("usr/lib/python3.13/__pycache__/a.cpython-313.pyc" in found.items) is expected
    assert len(found.items) == expected


@pytest.mark.parametrize(("more", "expected"), [("a.py", True), ("tkinter/__init__.py", False)])
def test_compiled_library_hides_nothing(tmp_path: Path, compiled: Path, more: str, *, expected: bool) -> None:
    """It takes the place of the root's own one, unless that has files which the compiled one lacks."""
    library = tmp_path / "tree/usr/lib/python3.13"
    (library / more).parent.mkdir(parents=True)
    (library / more).write_text("")
    found = standard_library.binds(tmp_path / "tree", {"tree": str(compiled), "python": "3.13"})

    assert found == ({"/usr/lib/python3.13": compiled / "usr/lib/python3.13"} if expected else {})

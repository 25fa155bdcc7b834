from __future__ import annotations

import io
import tarfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from entries import MTIME, Entries, Entry, file, folder, from_path, link

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "usr/bin/app": file(b"#!\n", executable=True),
    "usr/bin-extra": file(b"x"),
    "etc/hosts": file(b"localhost\n"),
    "bin": link("usr/bin"),
    "tmp": folder(0o1777),
    "srv": folder(uid=10001),
}


def make(paths: list[str]) -> Entries:
    """Add some of `FILES` in the given order."""
    entries = Entries()
    for path in paths:
        entries.add(path, FILES[path])
    return entries


def tar_of(entries: Entries) -> bytes:
    """Return the archive."""
    buffer = io.BytesIO()
    entries.write_tar(buffer)
    return buffer.getvalue()


def members_of(entries: Entries) -> dict[str, tarfile.TarInfo]:
    """Return the archive's members by path, in order."""
    with tarfile.open(fileobj=io.BytesIO(tar_of(entries))) as archive:
        return {member.name: member for member in archive}


def test_insertion_order_leaves_no_trace() -> None:
    """The same files give the same bytes, whatever order they came in."""
    assert tar_of(make(list(FILES))) == tar_of(make(list(reversed(FILES))))


def test_parents_come_before_their_content() -> None:
    """Every folder on the way is there, once, before what is in it, and siblings are sorted by name."""
    assert [path for path, _ in make(list(FILES)).ordered()] == [
        "bin", "etc", "etc/hosts", "srv", "tmp", "usr", "usr/bin", "usr/bin/app", "usr/bin-extra",
    ]  # fmt: skip


def test_later_add_wins() -> None:
    """A path that is added again is what it was added as last."""
    entries = make(["etc/hosts"])
    entries.add("etc/hosts", link("/run/hosts"))

    assert members_of(entries)["etc/hosts"].linkname == "/run/hosts"


def test_given_folder_keeps_its_mode() -> None:
    """A folder that was added is not replaced by the one that its content implies."""
    entries = make(["tmp"])
    entries.add("tmp/x", file(b""))

    assert members_of(entries)["tmp"].mode == 0o1777


@pytest.mark.parametrize(
    ("path", "mode", "kind"),
    [
        ("usr/bin/app", 0o755, tarfile.REGTYPE),
        ("etc/hosts", 0o644, tarfile.REGTYPE),
        ("etc", 0o755, tarfile.DIRTYPE),
        ("tmp", 0o1777, tarfile.DIRTYPE),
        ("bin", 0o777, tarfile.SYMTYPE),
    ],
)
def test_modes_and_kinds(path: str, mode: int, kind: bytes) -> None:
    """Members have the mode and kind of their entry."""
    member = members_of(make(list(FILES)))[path]

    assert (member.mode, member.type) == (mode, kind)


def test_owners_and_times_are_fixed() -> None:
    """Owners are numbers without names, and everything has one time."""
    members = members_of(make(list(FILES)))

    assert {(member.mtime, member.uname, member.gname) for member in members.values()} == {(MTIME, "", "")}
    assert {path: (member.uid, member.gid) for path, member in members.items() if member.uid} == {"srv": (10001, 10001)}


def test_times_can_tell_contents() -> None:
    """The same content has the same time everywhere, another one of the same size another; zip takes all of them."""
    entries = Entries()
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two"), ("d/e", b"")):
        entries.add(name, file(content))
    entries.tells_contents = True
    times = {path: member.mtime for path, member in members_of(entries).items()}

    assert times["a"] == times["b"] != times["c"]
    assert times["d"] == times["d/e"] == MTIME
    assert all(1980 <= datetime.fromtimestamp(time, UTC).year < 2012 for time in times.values())


def test_long_paths_and_other_scripts_survive() -> None:
    """Paths longer than 100 bytes and outside ASCII arrive as they are, without any time in their extra headers."""
    path = "a" * 120 + "/año/" + "b" * 120
    entries = Entries()
    entries.add(path, file(b"x"))

    assert path in members_of(entries)
    assert b"mtime=" not in tar_of(entries)


def test_tree_round_trip(tmp_path: Path) -> None:
    """What is written as a folder reads back as the same archive, but for modes that the Nix store cannot hold."""
    plain = make(["usr/bin/app", "etc/hosts", "bin"])
    (tmp_path / "tree").mkdir()
    plain.write_tree(tmp_path / "tree")
    again = Entries()
    again.add_tree(tmp_path / "tree")

    assert tar_of(again) == tar_of(plain)


def test_add_tree_below_a_prefix(tmp_path: Path) -> None:
    """A folder's content can be put anywhere; a link to a folder stays a link."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg/a.py").write_text("1\n")
    (tmp_path / "alias").symlink_to("pkg")
    entries = Entries()
    entries.add_tree(tmp_path, "opt/venv")

    assert list(entries.items) == ["opt/venv/alias", "opt/venv/pkg", "opt/venv/pkg/a.py"]
    assert entries.items["opt/venv/alias"].target == "pkg"


def test_link_text_is_kept(tmp_path: Path) -> None:
    """A link's text is taken over to the letter."""
    (tmp_path / "odd").symlink_to("./x/../y/")

    assert from_path(tmp_path / "odd").target == "./x/../y/"


@pytest.mark.parametrize(("mode", "expected"), [(0o700, 0o755), (0o600, 0o644), (0o664, 0o644), (0o555, 0o755)])
def test_modes_from_a_file_system(tmp_path: Path, mode: int, expected: int) -> None:
    """Of a file's mode only one thing is kept: whether it is a program."""
    (tmp_path / "file").write_text("")
    (tmp_path / "file").chmod(mode)

    assert from_path(tmp_path / "file").mode == expected


def test_content_is_read_when_it_is_written(tmp_path: Path) -> None:
    """An entry may refer to a file instead of holding its bytes."""
    (tmp_path / "big").write_bytes(b"content")

    assert file(tmp_path / "big").read() == b"content"
    assert Entry(mode=0o755).read() == b""


def test_links_are_followed_inside_the_root() -> None:
    """Absolute ones start at its top, folders may be links, and a circle leads to nothing."""
    root = Entries(
        {
            "bin": link("usr/bin"),
            "etc/alternatives/cc": link("/bin/../bin/gcc"),
            "loop": link("loop"),
            "usr/bin/cc": link("/etc/alternatives/cc"),
            "usr/bin/gcc": file(b""),
        }
    )

    assert root.resolve("/bin/cc") == "usr/bin/gcc"
    assert root.resolve("usr/./bin//gcc") == "usr/bin/gcc"
    assert root.resolve("usr/bin/c++") is None
    assert root.resolve("loop/x") is None


@pytest.mark.parametrize("path", ["../x", "usr/../../x", "/etc/x", "a\0b"])
def test_paths_stay_in_the_root(path: str) -> None:
    """Names come from packages that others have made."""
    with pytest.raises(ValueError, match="leads out of the root"):
        Entries().add(path, file(b""))


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    """It could lead out of the tree."""
    root = Entries({"usr/a": link("/tmp"), "usr/a/b/c": file(b"x")})

    with pytest.raises(ValueError, match="usr/a/b lies behind a link"):
        root.write_tree(tmp_path)

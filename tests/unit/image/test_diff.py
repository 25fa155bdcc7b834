"""A difference names platform, layer, file and cause."""

from __future__ import annotations

import io
import marshal
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests import ocilayout
from tests.recording import RecordingRunner

from estiba.errors import MissingProgramError
from estiba.image import bytecode_diff, diff, layout, tar_diff
from estiba.image.diff import ImageSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import IO, Any

    from estiba.process import Completed


def absent(argv: Sequence[str], **_: Any) -> Completed:  # noqa: ANN401 - those of a runner
    """Stand in for a machine without diffoscope."""
    raise MissingProgramError(argv[0])


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """Describe a member of a tar."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    """Write a tar and return what opens it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))

    @contextmanager
    def opener() -> Iterator[IO[bytes]]:
        yield io.BytesIO(buffer.getvalue())

    return opener


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([entry("a")], [entry("a"), entry("b")], [("b", "only in the rebuild")]),
        ([entry("a"), entry("b")], [entry("a")], [("b", "missing from the rebuild")]),
        ([entry("a", mode=0o644)], [entry("a", mode=0o600)], [("a", "mode rw------- instead of rw-r--r--")]),
        ([entry("a", mtime=1)], [entry("a", mtime=9)], [("a", "time 9 instead of 1")]),
        ([entry("a", uid=0)], [entry("a", uid=7)], [("a", "owner 7:0 instead of 0:0")]),
        ([entry("a", uname="")], [entry("a", uname="x")], [("a", "owner name x: instead of :")]),
        (
            [entry("a", type=tarfile.SYMTYPE, linkname="b")],
            [entry("a", type=tarfile.SYMTYPE, linkname="c")],
            [("a", "link c instead of b")],
        ),
        ([entry("a")], [entry("a", type=tarfile.DIRTYPE)], [("a", "type folder instead of file")]),
        (
            [entry("a"), entry("b")],
            [entry("b"), entry("a")],
            [("a", "entries in another order: b is in its place")],
        ),
        (
            [entry("a", b"0123456789")],
            [entry("a", b"012345678X")],
            [("a", "other content, from byte 9 on")],
        ),
        ([entry("a", b"012")], [entry("a", b"01")], [("a", "2 bytes instead of 3")]),
    ],
    ids=["new", "gone", "mode", "time", "owner", "owner-name", "link", "type", "order", "content", "length"],
)
def test_tars(
    ours: list[tuple[tarfile.TarInfo, bytes]],
    theirs: list[tuple[tarfile.TarInfo, bytes]],
    expected: list[tuple[str, str]],
) -> None:
    """Every kind of difference has its words."""
    found = tar_diff.compare(tar(*ours), tar(*theirs), runner=absent)
    assert [(item.path, item.cause) for item in found] == expected


def test_same_entries_in_another_format() -> None:
    """When no entry differs, the format does."""
    (found,) = tar_diff.compare(tar(entry("a")), tar(entry("a")), runner=absent)
    assert found.cause == "the same entries in tars of another format or padding"


def test_many_contents() -> None:
    """Of very many differing files only the first are looked into."""
    ours, theirs = ([entry(f"{number:02}", data) for number in range(12)] for data in (b"x", b"y"))
    found = tar_diff.compare(tar(*ours), tar(*theirs), runner=absent)
    assert [item.cause for item in found].count("content differs") == 12 - tar_diff.EXAMINED


def test_diffoscope_is_asked() -> None:
    """Where diffoscope is installed, its words follow ours."""
    runner = RecordingRunner("--- a\n+++ b\n│ @@ -1 +1 @@\n│ -x\n│ +y\n")
    (found,) = tar_diff.compare(tar(entry("a.txt", b"x")), tar(entry("a.txt", b"y")), runner=runner)
    assert found.cause == "other content, from byte 0 on\n--- a\n+++ b\n│ @@ -1 +1 @@\n│ -x\n│ +y"
    assert runner.calls[0][:3] == ["diffoscope", "--text", "-"]


def test_bytes_are_not_dumped() -> None:
    """Of what diffoscope does not know it says where the difference begins, and of formats that it does its words."""
    dump = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-00000000: 0001 0203 0405  ......\n+00000000: 0001 0203 0406  ......\n"
    ours, theirs = tar(entry("a", b"\0\1\2")), tar(entry("a", b"\0\1\3"))

    (found,) = tar_diff.compare(ours, theirs, runner=RecordingRunner(dump))
    assert found.cause == "other content, from byte 2 on"

    (found,) = tar_diff.compare(ours, theirs, runner=RecordingRunner(f"{dump}│ -Build: 1\n│ +Build: 2\n"))
    assert "0203" not in found.cause
    assert found.cause.endswith("│ -Build: 1\n│ +Build: 2")


def test_same_fault_of_many_files_is_told_once() -> None:
    """A few of them are named, and how many more there are."""
    ours, theirs = ([entry(f"{number:03}", mtime=time) for number in range(99)] for time in (1, 2))
    found = [
        diff.Difference(platform="linux/amd64", layer="application", path=one.path, cause=one.cause)
        for one in tar_diff.compare(tar(*ours), tar(*theirs), runner=absent)
    ]

    told = diff.summarize(found)
    assert told[0] == "linux/amd64 application 000: time 2 instead of 1"
    assert told[diff.SHOWN :] == ["linux/amd64 application, 94 more: time 2 instead of 1"]


def pyc(*, magic: bytes = b"\xcb\r\r\n", flags: int = 1, stamp: int = 5, code: str = "x = 1") -> bytes:
    """Write bytecode as the interpreter does."""
    return magic + flags.to_bytes(4, "little") + stamp.to_bytes(8, "little") + marshal.dumps(code)


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        (pyc(magic=b"\xcc\r\r\n"), "bytecode of different Python versions: magic cb0d0d0a and cc0d0d0a"),
        (pyc(flags=3), "bytecode validated in different ways: by hash, unchecked and by hash, checked"),
        (pyc(flags=0), "bytecode validated in different ways: by hash, unchecked and by time"),
        (pyc(stamp=6), "bytecode of different sources: their hashes differ"),
        (b"", "bytecode is cut short: 0 and 22 bytes"),
    ],
)
def test_bytecode(second: bytes, cause: str) -> None:
    """The header of bytecode tells most causes."""
    if second:
        assert bytecode_diff.explain(pyc(), second) == cause
    else:
        assert bytecode_diff.explain(second, pyc()) == cause.replace("22", str(len(pyc())))


def test_bytecode_by_time() -> None:
    """Bytecode that is validated by time depends on when the source was written."""
    told = bytecode_diff.explain(pyc(flags=0, stamp=5), pyc(flags=0, stamp=6))
    assert told == "bytecode that records when its source was written: 5 and 6 s after 1970"


def test_bytecode_with_equal_headers() -> None:
    """The same source can be marshalled in more than one way."""
    assert "what a process compiled before" in bytecode_diff.explain(pyc(code="a"), pyc(code="b"))


def build(path: Path, code: bytes, **options: Any) -> layout.Layout:  # noqa: ANN401 - those of service and write
    """Write and read a layout."""
    return layout.read(
        ocilayout.write(path, ocilayout.service(code, compression=options.pop("compression", "zstd")), **options)
    )


def compare(first: layout.Layout, second: layout.Layout) -> list[str]:
    """Compare two layouts and return the differences as text."""
    return [str(item) for item in diff.compare(ImageSet.of(first), ImageSet.of(second), runner=absent)]


def test_equal_builds(tmp_path: Path) -> None:
    """Equal builds have no differences."""
    assert compare(build(tmp_path / "a", b"x"), build(tmp_path / "b", b"x")) == []


def test_one_file(tmp_path: Path) -> None:
    """A changed file is named with its layer, on each platform."""
    assert compare(build(tmp_path / "a", b"x"), build(tmp_path / "b", b"y")) == [
        f"linux/{name} application app/manage.py: other content, from byte 0 on" for name in ("amd64", "arm64")
    ]


def test_compression(tmp_path: Path) -> None:
    """Equal tars that were compressed otherwise are told from different contents."""
    found = compare(build(tmp_path / "a", b"x"), build(tmp_path / "b", b"x", compression="gzip"))
    assert len(found) == 6
    assert found[0].startswith("linux/amd64 base: the same tar, compressed otherwise: ")


def test_annotations(tmp_path: Path) -> None:
    """A changed annotation shows where it stands."""
    first = build(tmp_path / "a", b"x", annotations={"v": "1"})
    found = compare(first, build(tmp_path / "b", b"x", annotations={"v": "2"}))
    assert found[:2] == [
        'linux/amd64 configuration config.Labels.v: "2" instead of "1"',
        'linux/amd64 manifest annotations.v: "2" instead of "1"',
    ]


def test_platforms(tmp_path: Path) -> None:
    """A platform that only one build has is a difference."""
    both, one = ocilayout.service(), ocilayout.service()[:1]
    first = layout.read(ocilayout.write(tmp_path / "a", both))
    second = layout.read(ocilayout.write(tmp_path / "b", one))
    assert compare(first, second) == ["linux/arm64 image: missing from the rebuild"]
    assert compare(second, first) == ["linux/arm64 image: only in the rebuild"]

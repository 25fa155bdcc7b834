from __future__ import annotations

import pytest
from tests.unit.lock.python.test_elf import shared_library

import elf
import libraries
from entries import Entries, file, folder, link

ARCH = "usr/lib/x86_64-linux-gnu"


def root() -> Entries:
    """Make a root with a program, whose library is not there, and the C library."""
    files = {
        "usr/bin/tool": shared_library("libtool.so.1", "libc.so.6"),
        f"{ARCH}/libc.so.6": shared_library(),
        "var/lib/dpkg/status.d/tool.md5sums": b"0  bin/tool\n",
    }
    return Entries({"lib": link("usr/lib"), ARCH: folder(), **{path: file(text) for path, text in files.items()}})


def test_missing_library_is_found_with_its_user() -> None:
    """A name in the loader's folders counts, through links, too."""
    made = root()
    assert libraries.find_missing(made) == {"libtool.so.1": ["usr/bin/tool"]}
    assert libraries.explain(libraries.find_missing(made), made, ()) == [
        "libtool.so.1 is needed by /usr/bin/tool of tool"
    ]
    assert libraries.explain(libraries.find_missing(made), made, ("tool",)) == []

    made.add("etc/alternatives/libtool", link("/lib/x86_64-linux-gnu/tool/libtool.so.1"))
    made.add(f"{ARCH}/libtool.so.1", link("/etc/alternatives/libtool"))
    made.add(f"{ARCH}/tool/libtool.so.1", file(shared_library("libc.so.6")))
    assert libraries.find_missing(made) == {}


def test_library_elsewhere_is_told_with_its_place() -> None:
    """A folder that the loader does not look into is of no use."""
    made = root()
    made.add("opt/tool/libtool.so.1", file(shared_library()))

    assert libraries.explain(libraries.find_missing(made), made, ()) == [
        "libtool.so.1 is needed by /usr/bin/tool of tool, and it is only at /opt/tool/libtool.so.1 of no package"
    ]


def test_plugin_may_lack_what_nobody_loads() -> None:
    """What lies in a folder of its own is only looked at if something that is loaded needs it."""
    made = root()
    made.add(f"{ARCH}/libtool.so.1", file(shared_library()))
    made.add(f"{ARCH}/tool/plugin.so", file(shared_library("libcuda.so.1")))
    assert libraries.find_missing(made) == {}

    made.add(f"{ARCH}/libtool.so.1", file(shared_library("plugin.so", folders="$ORIGIN/tool")))
    assert libraries.find_missing(made) == {"libcuda.so.1": [f"{ARCH}/tool/plugin.so"]}


def test_folders_of_a_file_are_read() -> None:
    """DT_RUNPATH names folders with colons between them."""
    data = shared_library("libpq.so.5", folders="$ORIGIN/../lib:/opt/lib")

    assert elf.read(data) == (("libpq.so.5",), ("$ORIGIN/../lib", "/opt/lib"))


@pytest.mark.parametrize(
    "data", [b"", b"#!/bin/sh\n", b"\x7fELF\x01\x01" + bytes(60)], ids=["empty", "script", "32-bit"]
)
def test_other_files_need_nothing(data: bytes) -> None:
    """Whatever is not a 64-bit ELF file is left alone."""
    assert elf.read(data) == ((), ())


def test_damaged_file_is_told() -> None:
    """A file that is cut off in the middle is an error of one kind."""
    with pytest.raises(ValueError, match="damaged ELF file"):
        elf.read(shared_library("libpq.so.5")[:150])

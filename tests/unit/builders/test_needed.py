from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import needed

if TYPE_CHECKING:
    from pathlib import Path

READELF = """
Dynamic section at offset 0x2d38 contains 27 entries:
  Tag        Type                         Name/Value
 0x0000000000000001 (NEEDED)             Shared library: [libmariadb.so.3]
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x000000000000000c (INIT)               0x4000
"""


def test_needed_libraries_are_read_from_readelf() -> None:
    """Only the names of the needed libraries count."""
    assert needed.parse(READELF) == {"libmariadb.so.3", "libc.so.6"}


def test_only_libraries_are_unpacked(tmp_path: Path) -> None:
    """Extension modules and bundled libraries with version numbers, and nothing else."""
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as archive:
        for name in ("hola/_hola.cpython-313-x86_64-linux-gnu.so", "hola.libs/libz-1a2b.so.1.3", "hola/so.py"):
            archive.writestr(name, "")

    found = needed.unpack(tmp_path / "wheel.whl", tmp_path / "unpacked")

    assert [path.name for path in found] == ["libz-1a2b.so.1.3", "_hola.cpython-313-x86_64-linux-gnu.so"]


def tree(folder: Path, *libraries: str) -> Path:
    """Make a root with libraries."""
    for name in libraries:
        path = folder / "usr/lib/x86_64-linux-gnu" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


def test_missing_library_is_named_with_its_package(tmp_path: Path) -> None:
    """Also where it is a link to the real file, and where the package still says /lib."""
    toolchain = tree(tmp_path / "toolchain", "libc.so.6", "libpq.so.5.17", "libdl.so.2")
    (toolchain / "usr/lib/x86_64-linux-gnu/libpq.so.5").symlink_to("libpq.so.5.17")
    records = toolchain / "var/lib/dpkg/status.d"
    records.mkdir(parents=True)
    (records / "libpq5.md5sums").write_text("0  usr/lib/x86_64-linux-gnu/libpq.so.5.17\n")
    (records / "libdl2.md5sums").write_text("0  lib/x86_64-linux-gnu/libdl.so.2\n")
    runtime = tree(tmp_path / "runtime", "libc.so.6")

    missing = needed.find_missing(
        ["libc.so.6", "libdl.so.2", "libpq.so.5", "libof-another-wheel.so.1"], toolchain=toolchain, runtime=runtime
    )

    assert missing == {"libdl.so.2": "libdl2", "libpq.so.5": "libpq5"}

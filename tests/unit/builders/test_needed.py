from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from tests.unit.lock.python.test_elf import shared_library

import needed

if TYPE_CHECKING:
    from pathlib import Path


def test_only_libraries_are_read(tmp_path: Path) -> None:
    """What extension modules and bundled libraries with version numbers need counts, and nothing else does."""
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as archive:
        archive.writestr("hola/_hola.cpython-313-x86_64-linux-gnu.so", shared_library("libmariadb.so.3", "libc.so.6"))
        archive.writestr("hola.libs/libcrypto-6aa7cfbd.so.1.1.1k", shared_library("libm.so.6"))
        archive.writestr("hola/so.py", shared_library("libpq.so.5"))

    assert needed.read(tmp_path / "wheel.whl") == {"libmariadb.so.3", "libc.so.6", "libm.so.6"}


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

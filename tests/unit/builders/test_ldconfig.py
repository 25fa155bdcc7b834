from __future__ import annotations

import ctypes.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import debian
import ldconfig


@pytest.fixture
def usr(tmp_path: Path) -> Path:
    """Write a system with a library, its link, and files that are none."""
    folder = tmp_path / "usr/lib/aarch64-linux-gnu"
    (folder / "libfake.so.d").mkdir(parents=True)
    for name in ("libpq.so.5.17", "libpq.so.5", "libc.so.6", "libpq.a", "ld-linux-aarch64.so.1", "libx.so.py"):
        (folder / name).write_bytes(b"")
    (tmp_path / "usr/lib/libtop.so").write_bytes(b"")
    return tmp_path / "usr"


def test_libraries_are_listed_in_the_form_that_python_reads(usr: Path) -> None:
    """Each library of the default folders has a line, the name that programs ask for before the longer ones."""
    assert ldconfig.listing(str(usr), "aarch64") == [
        f"\tlibc.so.6 (libc6,AArch64) => {usr}/lib/aarch64-linux-gnu/libc.so.6",
        f"\tlibpq.so.5 (libc6,AArch64) => {usr}/lib/aarch64-linux-gnu/libpq.so.5",
        f"\tlibpq.so.5.17 (libc6,AArch64) => {usr}/lib/aarch64-linux-gnu/libpq.so.5.17",
        f"\tlibtop.so (libc6,AArch64) => {usr}/lib/libtop.so",
    ]


@pytest.mark.parametrize(("machine", "kind"), [("x86_64", "libc6,x86-64"), ("aarch64", "libc6,AArch64")])
def test_the_library_is_the_one_that_ctypes_finds(usr: Path, machine: str, kind: str) -> None:
    """The expression of `ctypes.util` matches, and gives the name that the loader knows."""
    (usr / "lib/x86_64-linux-gnu").symlink_to("aarch64-linux-gnu")
    # As in ctypes.util of Python 3.11 and 3.13.
    expression = rf"\s+(libpq\.[^\s]+)\s+\({kind}"

    found = re.search(expression, "\n".join(ldconfig.listing(str(usr), machine)))

    assert found is not None
    assert found[1] == "libpq.so.5"


def test_only_the_listing_is_offered() -> None:
    """Called for anything else, as a maintainer script would, it does nothing."""
    done = subprocess.run([sys.executable, ldconfig.__file__], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_image_has_it_where_ctypes_looks() -> None:
    """It is a program at the merged-usr place of /sbin/ldconfig, run by the image's Python."""
    assert "/sbin/ldconfig" in Path(ctypes.util.__file__).read_text()
    entry = debian.skeleton().items["usr/sbin/ldconfig"]

    assert entry.mode == 0o755
    assert entry.read().startswith(b"#!/opt/venv/bin/python -ISB\n")

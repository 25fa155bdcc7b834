from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

import pytest
from tests.unit.lock.python.test_elf import shared_library

from estiba.errors import ResolutionError
from estiba.lock.python import shared_libraries

if TYPE_CHECKING:
    from pathlib import Path


def wheel(folder: Path, name: str, libraries: dict[str, tuple[str, ...]]) -> Path:
    """Write a wheel with shared libraries: path to what each needs."""
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, needed in libraries.items():
            archive.writestr(member, shared_library(*needed))
        archive.writestr("x/data.txt", "libnothing.so")
    return path


def test_libraries_come_from_wheels_or_debian(tmp_path: Path) -> None:
    """What a wheel bundles, what another wheel brings and what Debian has is all there; the rest is missing."""
    first = wheel(tmp_path, "a.whl", {"a/_a.so": ("liba-1.so", "libc.so.6", "libpq.so.5"), "a.libs/liba-1.so": ()})
    second = wheel(tmp_path, "b.whl", {"b/_b.cpython-313.so": ("liba-1.so", "libGL.so.1", "libpq.so.5")})
    missing = shared_libraries.find_missing({"a.whl": first, "b.whl": second}, {"libc.so.6"})

    assert missing == {"libpq.so.5": ["a.whl", "b.whl"], "libGL.so.1": ["b.whl"]}


def test_nothing_to_check() -> None:
    """No wheels, nothing missing."""
    assert shared_libraries.find_missing({}, {"libc.so.6"}) == {}


def test_the_error_names_library_wheel_and_package() -> None:
    """Everything missing is in one error, with the line to write."""
    missing = {"aarch64-linux": {}, "x86_64-linux": {"libGL.so.1": ["b.whl"], "libodd.so.7": ["a.whl", "b.whl"]}}
    with pytest.raises(ResolutionError) as caught:
        shared_libraries.refuse_missing(missing, lambda _platform, _names: {"libGL.so.1": ["libgl1", "libgl1-fake"]})

    assert str(caught.value) == (
        "some wheels need shared libraries that the image would not have:"
        "\n  - b.whl (x86_64-linux) needs libGL.so.1, which is in Debian's libgl1 or libgl1-fake"
        "\n  - a.whl, b.whl (x86_64-linux) needs libodd.so.7, which is in no Debian package of this release"
        '\n  hint: add to [tool.estiba]: debian = ["libgl1"]'
    )


def test_nothing_missing_is_no_error() -> None:
    """Nothing is looked up where nothing is missing."""
    shared_libraries.refuse_missing({"x86_64-linux": {}}, lambda _platform, _names: pytest.fail("looked something up"))

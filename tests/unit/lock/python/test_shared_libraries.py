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


def test_bundled_library_of_any_version_is_recognised(tmp_path: Path) -> None:
    """Versions may have letters, as OpenSSL's do, and names a hash of auditwheel."""
    names = ("libcrypto-6aa7cfbd.so.1.1.1k", "libselinux-64a010fb.so.1", "libgfortran.so.5-a1b2")
    path = wheel(tmp_path, "a.whl", {"a/_a.so": names, **{f"a.libs/{name}": () for name in names}})

    assert shared_libraries.find_missing({"a.whl": path}, set()) == {}


def test_nothing_to_check() -> None:
    """No wheels, nothing missing."""
    assert shared_libraries.find_missing({}, {"libc.so.6"}) == {}


def judge(
    missing: dict[str, dict[str, list[str]]], choices: dict[str, str] | None = None, *, reached: bool = True
) -> list[str]:
    """Judge with an index that has two packages with libGL.so.1 and nothing else."""
    packages = {"libGL.so.1": ["libgl1", "libgl1-fake"]} if reached else None
    return shared_libraries.judge_missing(missing, lambda _platform, _names: packages, choices=choices or {})


def test_library_that_debian_has_is_refused() -> None:
    """The error has the line to write."""
    with pytest.raises(ResolutionError) as caught:
        judge({"aarch64-linux": {}, "x86_64-linux": {"libGL.so.1": ["b.whl"], "libodd.so.7": ["a.whl", "b.whl"]}})

    assert str(caught.value) == (
        "some wheels need shared libraries that the image would not have:"
        "\n  - b.whl (x86_64-linux) needs libGL.so.1, which is in Debian's libgl1 or libgl1-fake"
        '\n  hint: add to [tool.estiba]: debian = ["libgl1"]'
    )


def test_library_that_debian_lacks_is_a_warning() -> None:
    """The wheel may do without, and nobody could add it."""
    assert judge({"x86_64-linux": {"libcuda.so.1": ["torch-2.9-cp313.whl"]}}) == [
        "torch-2.9-cp313.whl (x86_64-linux) needs libcuda.so.1, which is in no Debian package of this release"
    ]


def test_service_may_allow_a_wheel() -> None:
    """Nothing is said about the libraries of that wheel, and those of others count still."""
    both = {"x86_64-linux": {"libGL.so.1": ["Open_CV-1-x.whl"], "libodd.so.7": ["Open_CV-1-x.whl", "b-1-x.whl"]}}

    assert judge(both, {"open-cv": "allow"}) == [
        "b-1-x.whl (x86_64-linux) needs libodd.so.7, which is in no Debian package of this release"
    ]


def test_service_may_refuse_a_wheel() -> None:
    """A missing library of that wheel is an error, wherever it is."""
    with pytest.raises(ResolutionError, match=r"libodd.so.7, which is in no .*\n  hint: take a version of the wheel"):
        judge({"x86_64-linux": {"libodd.so.7": ["b-1-x.whl"]}}, {"b": "refuse"})


def test_without_an_index_everything_is_refused() -> None:
    """What Debian has cannot be told, so nothing is taken for optional."""
    with pytest.raises(ResolutionError, match="the image lacks; no index of Debian's files is reached"):
        judge({"x86_64-linux": {"libodd.so.7": ["b-1-x.whl"]}}, reached=False)


def test_nothing_missing_is_no_error() -> None:
    """Nothing is looked up where nothing is missing."""
    missing: dict[str, dict[str, list[str]]] = {"x86_64-linux": {}}

    assert shared_libraries.judge_missing(missing, lambda *_: pytest.fail("looked something up"), choices={}) == []

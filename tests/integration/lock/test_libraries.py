"""Shared libraries that wheels need and the image lacks."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

from tests import wheelfile
from tests.services import harbour
from tests.services.locking import load, refuse, require
from tests.unit.lock.python.test_elf import shared_library

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from tests.services.index import RunningIndex


def write_native(folder: Path, *needed: str) -> None:
    """Write a wheel for each platform whose extension module needs shared libraries."""
    for machine in ("x86_64", "aarch64"):
        pure = wheelfile.write(folder, "estiba_crane", {"estiba_crane/__init__.py": ""})
        built = pure.with_name(f"estiba_crane-1.0-cp311-cp311-manylinux_2_17_{machine}.whl")
        pure.rename(built)
        with zipfile.ZipFile(built, "a") as archive:
            archive.writestr("estiba_crane/_crane.so", shared_library(*needed))


def test_missing_library_is_named_with_its_package(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel that needs a library which neither it nor the image has is refused, with the line to write."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    write_native(running_index.folder, "libc.so.6", "libpq.so.5")
    require(tiny, "estiba-crane")
    said = refuse(tiny, "lock", code=21)

    assert "(x86_64-linux) needs libpq.so.5, which is in Debian's libpq5" in said
    assert 'debian = ["libpq5"]' in said


def test_library_that_debian_lacks_is_told_and_locked(
    tiny: Path, running_index: RunningIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library of CUDA, say, is a warning; the service may settle it either way for the wheel."""
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", running_index.url_with_credentials)
    write_native(running_index.folder, "libc.so.6", "libcufile-of-nobody.so.0")
    require(tiny, "estiba-crane")
    path = tiny / "pyproject.toml"
    path.write_text(path.read_text() + '\n[tool.estiba.missing-libraries]\nestiba-crane = "refuse"\n')
    strict = refuse(tiny, "lock", code=21)
    path.write_text(path.read_text().replace('"refuse"', '"allow"'))
    allowed = json.loads(harbour.invoke(tiny, "lock", "--dry-run", "--json").stdout)
    path.write_text(path.read_text().partition("\n[tool.estiba.missing-libraries]")[0])
    done = harbour.invoke(tiny, "lock", "--json")

    assert "needs libcufile-of-nobody.so.0, which is in no Debian package of this release" in strict
    assert allowed["lacking"] == []
    assert len(json.loads(done.stdout)["lacking"]) == 2
    assert "(aarch64-linux) needs libcufile-of-nobody.so.0, which is in no Debian package" in done.stderr
    assert [one.name for one in load(tiny).distributions] == ["estiba-crane", "estiba-crane"]

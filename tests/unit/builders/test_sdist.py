from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

import build_wheel
import expansion
import sdist

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["hola-1.0.tar.gz", "hola-1.0.zip"])
def test_every_sdist_unpacks_to_one_folder(tmp_path: Path, name: str) -> None:
    """The folder is called the same whatever the sdist is, so that no path in what is compiled differs."""
    archive = tmp_path / "artifact"
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("hola-1.0/setup.py", "pass\n")
    else:
        with tarfile.open(archive, "w:gz") as tarred:
            header = tarfile.TarInfo("hola-1.0/setup.py")
            header.size = 5
            tarred.addfile(header, io.BytesIO(b"pass\n"))

    source = sdist.unpack(archive, tmp_path / "work", name=name)

    assert source == tmp_path / "work/source"
    assert (source / "setup.py").read_text() == "pass\n"


@pytest.mark.parametrize("name", ["../outside", "hola-1.0/../../outside", "/outside"])
def test_sdist_cannot_write_elsewhere(tmp_path: Path, name: str) -> None:
    """A path that leads out of the folder is refused."""
    with tarfile.open(tmp_path / "artifact", "w:gz") as tarred:
        tarred.addfile(tarfile.TarInfo(name), io.BytesIO())

    with pytest.raises(ValueError, match=f"^{name} leads out of the sdist$"):
        sdist.unpack(tmp_path / "artifact", tmp_path / "work", name="hola-1.0.tar.gz")


@pytest.mark.parametrize("name", ["hola-1.0.tar.gz", "hola-1.0.zip"])
def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would fill the disk is seen in the headers."""
    monkeypatch.setattr(expansion, "ALWAYS", 1 << 20)
    archive, zeros = tmp_path / name, bytes(2 << 20)
    if name.endswith(".zip"):
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("hola-1.0/zeros", zeros)
    else:
        with tarfile.open(archive, "w:gz") as tarred:
            header = tarfile.TarInfo("hola-1.0/zeros")
            header.size = len(zeros)
            tarred.addfile(header, io.BytesIO(zeros))

    with pytest.raises(ValueError, match=rf"^{name} has [\d,]+ bytes and unpacks to more than 1,048,576"):
        sdist.unpack(archive, tmp_path / "work", name=name)
    assert not list(tmp_path.glob("work/unpacked/hola-1.0/*"))


@pytest.mark.parametrize(
    ("pyproject", "expected"),
    [
        pytest.param(None, ("setuptools.build_meta:__legacy__", []), id="setup.py alone"),
        pytest.param("[tool.black]\n", ("setuptools.build_meta:__legacy__", []), id="no build-system"),
        pytest.param(
            '[build-system]\nrequires = ["setuptools"]\n', ("setuptools.build_meta:__legacy__", []), id="no backend"
        ),
        pytest.param(
            '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n', ("hatchling.build", []), id="backend"
        ),
        pytest.param(
            '[build-system]\nrequires = []\nbuild-backend = "own:api.Hooks"\nbackend-path = ["build"]\n',
            ("own:api.Hooks", ["build"]),
            id="in tree",
        ),
    ],
)
def test_backend_is_the_one_that_pip_takes(
    tmp_path: Path, pyproject: str | None, expected: tuple[str, list[str]]
) -> None:
    """PEP 517 names the backend, and setuptools' legacy one stands in where nothing does."""
    if pyproject is not None:
        (tmp_path / "pyproject.toml").write_text(pyproject)

    assert build_wheel.backend_of(tmp_path) == expected


def test_unpacked_files_can_be_written(tmp_path: Path) -> None:
    """A build may change its sources, whatever their modes are in the archive."""
    with tarfile.open(tmp_path / "artifact", "w:gz") as tarred:
        folder, header = tarfile.TarInfo("hola-1.0"), tarfile.TarInfo("hola-1.0/setup.py")
        folder.type, folder.mode, header.mode = tarfile.DIRTYPE, 0o555, 0o444
        tarred.addfile(folder)
        tarred.addfile(header, io.BytesIO())

    source = sdist.unpack(tmp_path / "artifact", tmp_path / "work", name="hola-1.0.tar.gz")

    assert (source.stat().st_mode & 0o700, (source / "setup.py").stat().st_mode & 0o600) == (0o700, 0o600)

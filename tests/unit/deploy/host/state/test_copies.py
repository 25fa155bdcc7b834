from __future__ import annotations

import io
import os
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.unit.deploy.host.state.test_revisions import make

import entries
from estiba.deploy.host.state import copies
from estiba.deploy.host.state.folder import StateFolder

if TYPE_CHECKING:
    from pathlib import Path

    from estiba.deploy.host.closure import HostClosure


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    """Prepare a state folder."""
    made = StateFolder.at(tmp_path / "state")
    made.prepare()
    return made


@pytest.fixture
def closure(tmp_path: Path) -> HostClosure:
    """Describe a release whose own files are a folder and a file."""
    files = tmp_path / "abc-application/root"
    (files / "app/shop").mkdir(parents=True)
    (files / "app/shop/models.py").write_text("x = 1\n")
    (files / "app/shop/__init__.py").touch()
    (files / "app/shop/latest").symlink_to("models.py")
    (files / "app/manage.py").write_text("import shop\n")
    (files / "app/manage.py").chmod(0o755)
    for path in files.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    known = make(tmp_path / "one")
    binds = {"/app/shop": f"{files}/app/shop", "/app/manage.py": f"{files}/app/manage.py", "/etc": "/nix/store/e/etc"}
    return replace(known, application=str(files), app=replace(known.app, binds=binds))


def test_files_have_the_times_that_they_have_in_an_image(folder: StateFolder, closure: HostClosure) -> None:
    """A zip can hold them, and another content is another time."""
    copies.make(folder, closure)
    copy = folder.path / "copies/abc-application"
    files = entries.Entries()
    files.add_tree(copy)
    files.tells_contents = True
    archive = io.BytesIO()
    files.write_tar(archive)
    archive.seek(0)
    with tarfile.open(fileobj=archive) as tar:
        expected = {member.name: member.mtime for member in tar if not member.isdir()}

    found = {name: int((copy / name).lstat().st_mtime) for name in expected}
    assert found == expected
    assert len(set(found.values())) == 3
    assert (copy / "app/manage.py").stat().st_mode & 0o777 == 0o555
    assert (copy / "app/shop/models.py").stat().st_mode & 0o777 == 0o444


def test_programs_see_the_copy(folder: StateFolder, closure: HostClosure) -> None:
    """The service's own files are bound from it, all else from the store; without a copy all is from the store."""
    directory = folder.path / "services/web-a"
    assert copies.relocate(folder, closure, directory) == closure.app.binds

    copies.make(folder, closure)
    assert copies.relocate(folder, closure, directory) == {
        "/app/shop": "../../copies/abc-application/app/shop",
        "/app/manage.py": "../../copies/abc-application/app/manage.py",
        "/etc": "/nix/store/e/etc",
    }


def test_collected_files_have_a_copy_of_their_own(folder: StateFolder, closure: HostClosure, tmp_path: Path) -> None:
    """A server of the release's own may send them, and a changed line of the service copies them not again."""
    collected = tmp_path / "abc-application-static/root"
    (collected / "app/staticfiles").mkdir(parents=True)
    (collected / "app/staticfiles/site.css").write_text("body {}")
    binds = {**closure.app.binds, "/app/staticfiles": f"{collected}/app/staticfiles"}
    known = replace(closure, collected=str(collected), app=replace(closure.app, binds=binds))
    copies.make(folder, known)
    found = copies.relocate(folder, known, folder.path / "services/web-a")

    assert found["/app/staticfiles"] == "../../copies/abc-application-static/app/staticfiles"
    assert found["/app/shop"] == "../../copies/abc-application/app/shop"
    assert (folder.path / "copies/abc-application-static/app/staticfiles/site.css").stat().st_mtime > 315532800


def test_copies_go_with_their_releases(folder: StateFolder, closure: HostClosure) -> None:
    """One is made once, whatever was left of an attempt before, and deleted when no kept release has its files."""
    left = folder.path / "copies/.abc-application.new"
    left.mkdir(parents=True)
    copies.make(folder, closure)
    before = (folder.path / "copies/abc-application").stat().st_ino
    copies.make(folder, closure)

    assert not left.exists()
    assert (folder.path / "copies/abc-application").stat().st_ino == before

    copies.prune(folder, closure.own)
    assert [path.name for path in (folder.path / "copies").iterdir()] == ["abc-application"]

    copies.prune(folder, ())
    assert list((folder.path / "copies").iterdir()) == []


def test_release_of_before_has_none(folder: StateFolder, closure: HostClosure) -> None:
    """Its description does not say which files are the service's own."""
    known = replace(closure, application="")
    copies.make(folder, known)

    assert copies.relocate(folder, known, folder.path) == known.app.binds
    assert not (folder.path / "copies").exists()

"""What git tracks is looked at before a build: what is no file, what is a secret, and what may be a mistake."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from estiba.build import tracked
from estiba.errors import BuildError

GLOBS = json.loads((Path(__file__).parents[2] / "nix" / "globs.json").read_text())


def git(folder: Path, *arguments: str) -> None:
    """Run git without this machine's settings."""
    who = ["-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "protocol.file.allow=always"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository with an ordinary file."""
    place = tmp_path / "site"
    place.mkdir()
    git(place, "init", "--quiet")
    write(place, "manage.py")
    return place


def write(folder: Path, name: str, text: str = "") -> None:
    """Write a file and add it to git."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    git(folder, "add", "--force", name)


def check(folder: Path, *, exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()) -> list[str]:
    """Check the repository."""
    return tracked.check(folder, exclude=exclude, include=include)


def test_ordinary_files_are_nothing_to_tell(folder: Path) -> None:
    """A certificate has a name of its own, and JSON files are data."""
    for name in ("certs/public.pem", "fixtures/books.json", "docs/id_rsa.md"):
        write(folder, name)

    assert check(folder) == []


def test_submodule_is_refused(folder: Path, tmp_path: Path) -> None:
    """Its folder is empty in a build; one that is left out is nobody's concern."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    write(other, "lib.py")
    git(other, "commit", "--quiet", "--message", "Start")
    git(folder, "submodule", "add", "--quiet", str(other), "libs/other")

    with pytest.raises(BuildError, match="libs/other: a build sees no files of a git submodule"):
        check(folder)
    assert check(folder, exclude=("libs/**",)) == []


def test_submodule_for_ci_is_nobodys_concern(folder: Path, tmp_path: Path) -> None:
    """That is where Estiba itself is, and no such folder is in an image."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    write(other, "flake.nix")
    git(other, "commit", "--quiet", "--message", "Start")
    git(folder, "submodule", "add", "--quiet", str(other), ".ci/estiba")

    assert check(folder) == []


def test_file_in_lfs_is_refused(folder: Path) -> None:
    """Whether a build gets the file or its pointer depends on who fetched it."""
    write(folder, ".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    git(folder, "config", "filter.lfs.clean", "cat")
    write(folder, "models/a.bin", "x")

    with pytest.raises(BuildError, match=r"models/a\.bin: in Git LFS"):
        check(folder)
    assert check(folder, exclude=("models/*.bin",)) == []


@pytest.mark.parametrize("name", ["deploy/id_rsa", ".netrc", ".pgpass", "keys/store.p12"])
def test_secret_is_refused(folder: Path, name: str) -> None:
    """Who means it names it in `include`, or leaves it out."""
    write(folder, name)

    with pytest.raises(BuildError, match="a key or a password"):
        check(folder)
    assert check(folder, include=(name,)) == check(folder, exclude=(name,)) == []


def test_data_is_told(folder: Path) -> None:
    """Some sites ship a database on purpose."""
    write(folder, "db.sqlite3")
    write(folder, "gcp/service-account.json", "{}")

    assert check(folder) == [
        "in the image, unless [tool.estiba] exclude names it: db.sqlite3, gcp/service-account.json"
    ]
    assert check(folder, include=("db.sqlite3", "gcp/*")) == []


def test_link_that_leads_out_is_told(folder: Path) -> None:
    """One within the service is as good as a file."""
    (folder / "inner").symlink_to("manage.py")
    (folder / "outer").symlink_to("../shared/settings.py")
    git(folder, "add", "inner", "outer")

    assert check(folder) == ["links that lead out of the service, and to nothing in the image: outer"]


def test_folder_outside_of_git_has_nothing_to_tell(tmp_path: Path) -> None:
    """A build takes the folder as it is then."""
    assert check(tmp_path) == []


@pytest.mark.parametrize("glob", GLOBS)
def test_globs_are_those_of_the_build(glob: str) -> None:
    """What Nix leaves out and what is looked at here are the same files."""
    pattern = re.compile(tracked._translate(glob))

    assert {path: bool(pattern.fullmatch(path)) for path in GLOBS[glob]} == GLOBS[glob]

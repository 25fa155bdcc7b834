from __future__ import annotations

import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.services import repositories

from estiba import config
from estiba.errors import ArtifactError
from estiba.lock.artifacts import Artifacts
from estiba.lock.direct import repository
from estiba.process import run
from estiba.service.declarations import direct

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from estiba.digest import Digest


def fetch(folder: Path, files: Mapping[str, str | bytes], subdirectory: str = "") -> Digest:
    """Commit files and fetch the commit."""
    commit = repositories.commit(folder / "crane", files)
    source = direct.at_commit("crane", f"file://{folder}/crane", commit, subdirectory)
    settings = replace(config.load(), cache_dir=folder / "cache")
    return repository.fetch(source, Artifacts(folder / "artifacts"), config=settings, runner=run)


def list_members(folder: Path, digest: Digest) -> dict[str, int]:
    """Return the names in an archive with their modes."""
    with tarfile.open(Artifacts(folder / "artifacts").path(digest)) as archive:
        return {member.name: member.mode for member in archive if member.isfile()}


def test_archive_has_the_files_of_the_tree(tmp_path: Path) -> None:
    """All files of the package's folder are there, whatever .gitattributes leave out of archives."""
    files = {"py/pyproject.toml": "", "py/a.txt": "a", "other": "", ".gitattributes": "*.txt export-ignore\n"}
    digest = fetch(tmp_path, files, "py")

    assert list_members(tmp_path, digest) == {"source/a.txt": 0o644, "source/pyproject.toml": 0o644}
    assert fetch(tmp_path, {"other": "changed"}, "py") == digest


def test_version_that_git_would_tell_is_in_the_archive(tmp_path: Path) -> None:
    """A build backend that asks git for tags finds a version, as it does in an sdist."""
    digest = fetch(tmp_path, {"pyproject.toml": '[build-system]\nrequires = ["setuptools-scm"]\n'})

    assert "source/PKG-INFO" in list_members(tmp_path, digest)


def test_files_that_are_elsewhere_are_refused(tmp_path: Path) -> None:
    """A pointer of Git LFS is not the file that it stands for, and an empty submodule not its code."""
    with pytest.raises(ArtifactError, match=r"does not hold all of its files: big\.bin is in Git LFS"):
        fetch(tmp_path, {"setup.py": "", "big.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"})
    repositories.commit(tmp_path / "inner", {"a": ""})
    repositories.git(tmp_path / "crane", "rm", "--quiet", "big.bin")
    words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(tmp_path / "inner"), "vendor")
    repositories.git(tmp_path / "crane", *words)
    with pytest.raises(ArtifactError, match="vendor is a submodule"):
        fetch(tmp_path, {})


def test_commit_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The address, git's own words and a command to try are told."""
    repositories.commit(tmp_path / "crane", {"setup.py": ""})
    source = direct.at_commit("crane", f"file://{tmp_path}/crane", "a" * 40)
    settings = replace(config.load(), cache_dir=tmp_path / "cache")
    with pytest.raises(ArtifactError, match=f"git cannot fetch git.file://{tmp_path}/crane@aaaa") as caught:
        repository.fetch(source, Artifacts(tmp_path / "artifacts"), config=settings, runner=run)

    assert caught.value.hint == f"try it by hand: git ls-remote file://{tmp_path}/crane"

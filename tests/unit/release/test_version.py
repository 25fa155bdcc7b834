from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.services.releases import commit, create, git

from estiba import config
from estiba.errors import CommandError, PlanError
from estiba.process import run
from estiba.release.version import Repository

if TYPE_CHECKING:
    from pathlib import Path


def repository(folder: Path, pattern: str = "v{version}") -> Repository:
    """Return the repository of a folder."""
    env = {**config.variables(), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    return Repository(folder=folder, pattern=pattern, runner=run, env=env)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a repository with a first release."""
    return create(tmp_path / "shop")


@pytest.fixture
def origin(shop: Path) -> Path:
    """Give the repository a remote that has its tags."""
    folder = shop.with_name("origin.git")
    git(shop, "clone", "--quiet", "--bare", str(shop), str(folder))
    git(shop, "remote", "add", "origin", str(folder))
    return folder


def test_tag_of_the_commit_names_the_release(shop: Path) -> None:
    """The first release has none before it."""
    found = repository(shop).read("1.0.0")

    assert (found.tag, found.version, found.previous, found.remote) == ("v1.0.0", "1.0.0", "", "")
    assert found.commit == git(shop, "rev-parse", "HEAD")


def test_annotated_tag_and_detached_head_are_fine(shop: Path) -> None:
    """That is what CI checks out."""
    git(shop, "tag", "--annotate", "--force", "--message", "One", "v1.0.0")
    git(shop, "checkout", "--quiet", "v1.0.0")

    assert repository(shop).read("1.0.0").commit == git(shop, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("version", "previous"),
    [
        pytest.param("1.10.0", "v1.9.0", id="by-version-not-by-name"),
        pytest.param("1.9.1", "v1.9.0", id="patch-of-an-older-line"),
        pytest.param("2.0.0rc2", "v2.0.0rc1", id="pre-release-follows-pre-release"),
        pytest.param("2.0.0", "v1.9.0", id="final-follows-final"),
    ],
)
def test_release_before_is_found_by_version(shop: Path, version: str, previous: str) -> None:
    """The order of versions is that of PEP 440, and other tags do not count."""
    for tag in ("v1.2.0", "v1.9.0", "v2.0.0rc1", "nightly", "vegetables"):
        git(shop, "tag", tag, "HEAD")
    git(shop, "tag", "--delete", "v1.0.0")
    commit(shop, version, "feat: More")

    assert repository(shop).read(version).previous == previous


def test_changelog_has_what_is_new(shop: Path) -> None:
    """Subjects of the commits since the release before, without control characters."""
    commit(shop, "1.0.1", "fix: Paint \x1b[31mred")
    git(shop, "commit", "--quiet", "--allow-empty", "--message", "feat: Sell hats")

    assert repository(shop).subjects("v1.0.0", "HEAD") == ("feat: Sell hats", "fix: Paint [31mred")


def test_changelog_of_a_folder_is_its_own(shop: Path) -> None:
    """A service that shares its repository is not told of the others."""
    for name in ("hats", "shoes"):
        (shop / name).mkdir()
        (shop / name / "README").write_text(name)
        git(shop, "add", "--all")
        git(shop, "commit", "--quiet", "--message", f"Sell {name}")

    assert repository(shop / "hats").subjects("v1.0.0", "HEAD") == ("Sell hats",)


def untag(shop: Path) -> None:
    """Remove the only tag."""
    git(shop, "tag", "--delete", "v1.0.0")


def change(shop: Path) -> None:
    """Change a tracked file."""
    (shop / "README").write_text("changed")


def merge(shop: Path) -> None:
    """Stop in the middle of a merge."""
    git(shop, "checkout", "--quiet", "-b", "other", "HEAD")
    git(shop, "commit", "--quiet", "--allow-empty", "--message", "Other")
    git(shop, "checkout", "--quiet", "main")
    git(shop, "merge", "--quiet", "--no-ff", "--no-commit", "other")


def move(shop: Path) -> None:
    """Move the tag away from the commit that is checked out."""
    git(shop, "commit", "--quiet", "--allow-empty", "--message", "More")
    git(shop, "tag", "--force", "v1.0.0")
    git(shop, "checkout", "--quiet", "HEAD^")


@pytest.mark.parametrize(
    ("spoil", "tag", "reason"),
    [
        pytest.param(untag, "", r"\(branch main\) carries no tag of a release, such as v1.0.0", id="no-tag"),
        pytest.param(move, "", r"\(HEAD is detached\) carries no tag .* v1.0.0 is commit \w{12}", id="detached"),
        pytest.param(move, "v1.0.0", r"v1.0.0 is commit \w{12}, and \w{12} is checked out", id="tag-elsewhere"),
        pytest.param(change, "", "uncommitted changes would not be released: README", id="dirty"),
        pytest.param(merge, "", "a merge is under way", id="merge"),
        pytest.param(lambda _: None, "v2.0.0", "v2.0.0 is version 2.0.0, and .* version 1.0.0", id="version"),
        pytest.param(lambda _: None, "release-1", "release-1 is no tag of a release", id="name"),
        pytest.param(lambda shop: git(shop, "tag", "v1.0"), "", r"several tags of releases: v1.0, v1.0.0", id="two"),
    ],
)
def test_checkout_that_cannot_be_released_is_refused(shop: Path, spoil: object, tag: str, reason: str) -> None:
    """One sentence says why, and a hint which command mends it."""
    assert callable(spoil)
    spoil(shop)

    with pytest.raises(PlanError, match=reason) as caught:
        repository(shop).read("1.0.0", tag=tag)
    assert caught.value.hint


def test_shallow_clone_is_refused(shop: Path, tmp_path: Path) -> None:
    """CI clones one commit, and the changelog is not in it."""
    commit(shop, "1.0.1", "fix: More")
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=v1.0.1", f"file://{shop}", "clone")

    with pytest.raises(PlanError, match="the clone is shallow") as caught:
        repository(tmp_path / "clone").read("1.0.1")
    assert "fetch-depth: 0" in caught.value.hint


@pytest.mark.parametrize("commits", [False, True], ids=["no-repository", "no-commit"])
def test_folder_without_a_commit_is_refused(tmp_path: Path, *, commits: bool) -> None:
    """Git's own words would not say what to do."""
    if commits:
        git(tmp_path, "init", "--quiet")

    with pytest.raises(PlanError, match=r"no git repository|has no commit"):
        repository(tmp_path).read("1.0.0")


def test_moved_tag_is_refused(shop: Path, origin: Path) -> None:
    """A tag that the remote has elsewhere is not the one that others see."""
    assert repository(shop).read("1.0.0").remote == "origin"
    commit(shop, "1.0.1", "fix: More")
    git(origin, "fetch", "--quiet", str(shop), "main")
    git(origin, "tag", "--force", "--annotate", "--message", "Moved", "v1.0.0", "FETCH_HEAD")
    git(shop, "checkout", "--quiet", "v1.0.0")

    with pytest.raises(PlanError, match=r"v1.0.0 has moved: it is commit \w{12} here and \w{12} in origin"):
        repository(shop).read("1.0.0")


def test_unreachable_remote_is_an_error(shop: Path) -> None:
    """Nobody knows then whether the tag has moved."""
    git(shop, "remote", "add", "origin", str(shop / "gone"))

    with pytest.raises(CommandError):
        repository(shop).read("1.0.0")


def test_tag_that_is_given_need_not_exist(shop: Path) -> None:
    """The release creates it."""
    untag(shop)
    found = repository(shop).read("1.0.0", tag="v1.0.0")

    assert (found.tag, found.is_tagged) == ("v1.0.0", False)


def test_created_tag_is_never_moved(shop: Path, origin: Path) -> None:
    """If somebody else has pushed the tag meanwhile, the remote's stays."""
    source = repository(shop).read("1.0.0")
    git(shop, "config", "user.name", "Shop")
    git(shop, "config", "user.email", "shop@example.com")
    commit(shop, "1.0.1", "fix: More")
    newer = repository(shop).read("1.0.1")
    git(origin, "tag", "v1.0.1", source.commit)

    with pytest.raises(CommandError, match=r"rejected|already exists"):
        repository(shop).create(newer, "notes")
    found = subprocess.run(["git", "-C", origin, "rev-parse", "v1.0.1"], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == source.commit


def test_tag_may_have_any_name_around_the_version(shop: Path) -> None:
    """Several services in one repository need that."""
    git(shop, "tag", "shop/1.0.0+final")
    git(shop, "tag", "hats/2.0.0+final")

    assert repository(shop, "shop/{version}+final").read("1.0.0").tag == "shop/1.0.0+final"


@pytest.mark.parametrize("option", ["--assume-unchanged", "--skip-worktree"])
def test_change_that_git_was_told_to_hide_is_refused(shop: Path, option: str) -> None:
    """The gates of a release are in a file of the commit: one that git does not look at may say anything."""
    git(shop, "update-index", option, "pyproject.toml")

    with pytest.raises(PlanError, match=r"git does not look for changes of pyproject\.toml") as caught:
        repository(shop).read("1.0.0")
    assert caught.value.hint == "git update-index --no-assume-unchanged --no-skip-worktree pyproject.toml"


def test_sparse_checkout_hides_nothing(shop: Path) -> None:
    """What is not there cannot differ."""
    (shop / "other").mkdir()
    (shop / "other" / "file").touch()
    commit(shop, "1.1.0", "feat: More")
    git(shop, "sparse-checkout", "set", "--no-cone", "/*", "!/other/")
    assert not (shop / "other").exists()

    assert repository(shop).read("1.1.0").tag == "v1.1.0"


@pytest.mark.parametrize("options", [[], ["--annotate", "--message=Tree"]], ids=["lightweight", "annotated"])
def test_tag_of_something_else_than_a_commit_is_refused(shop: Path, options: list[str]) -> None:
    """It is there, so that the release could not create it in the end."""
    git(shop, "tag", "--force", *options, "v1.0.0", "HEAD^{tree}")

    with pytest.raises(PlanError, match=r"tag v1\.0\.0 names no commit"):
        repository(shop).read("1.0.0", tag="v1.0.0")


def test_version_has_one_commit_however_it_is_written(shop: Path) -> None:
    """To PEP 440 `1.0` and `1.0.0` are one version."""
    git(shop, "tag", "v1.0")
    assert repository(shop).read("1.0.0", tag="v1.0.0").version == "1.0.0"
    git(shop, "tag", "--delete", "v1.0.0")
    git(shop, "commit", "--quiet", "--allow-empty", "--message", "feat: More")
    git(shop, "tag", "v1.0.0")

    with pytest.raises(PlanError, match=r"v1\.0 is version 1\.0\.0 too, of commit \w{12}"):
        repository(shop).read("1.0.0", tag="v1.0.0")

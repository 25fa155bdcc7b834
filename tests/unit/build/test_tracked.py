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
    for name in ("certs/public.crt", "fixtures/books.json", "docs/id_rsa.md"):
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


@pytest.mark.parametrize(
    "name",
    [
        "deploy/id_rsa",
        "deploy/server.ppk",
        ".aws/credentials",
        ".docker/config.json",
        ".kube/config",
        ".my.cnf",
        ".netrc",
        ".pgpass",
        ".s3cfg",
        "ansible/.vault_pass",
        "keys/store.p12",
    ],
)
def test_secret_is_refused(folder: Path, name: str) -> None:
    """Who means it names it in `include`, or leaves it out."""
    write(folder, name)

    with pytest.raises(BuildError, match="a key or a password"):
        check(folder)
    assert check(folder, include=(name,)) == check(folder, exclude=(name,)) == []


@pytest.mark.parametrize(
    "name",
    [
        "db.sqlite3-wal",
        "site.db",
        "dump.rdb",
        "backups/site.dump",
        "backups/site.sql.gz",
        "infra/terraform.tfstate",
        "nginx/.htpasswd",
        "config/secrets.yml",
        "site/.secrets.toml",
    ],
)
def test_data_of_any_kind_is_told(folder: Path, name: str) -> None:
    """A dump or a journal holds what the database does, and a state of Terraform has its passwords."""
    write(folder, name)
    assert check(folder) == [f"in the image, unless [tool.estiba] exclude names it: {name}"]


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

    assert check(folder) == ["links to what is not in git, and to nothing in the image: outer"]


def test_link_to_what_git_does_not_have_is_told(folder: Path) -> None:
    """An absolute one leads elsewhere in the image, and a folder of npm's is not there; one through a link is good."""
    write(folder, "shop/static/a.css")
    (folder / "node_modules/htmx").mkdir(parents=True)
    links: dict[str, str | Path] = {
        "absolute": folder / "manage.py",
        "files": "shop/static",
        "htmx": "node_modules/htmx",
        "self": ".",
        "shop/above": "../manage.py",
        "through": "files/a.css",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
        git(folder, "add", name)

    assert check(folder) == ["links to what is not in git, and to nothing in the image: absolute, htmx"]


@pytest.mark.parametrize("option", ["--assume-unchanged", "--skip-worktree"])
def test_file_that_git_does_not_look_at_is_refused(folder: Path, option: str) -> None:
    """A build gets what is committed, or what lies there if anything else is changed."""
    write(folder, "shop/settings.py", "DEBUG = False\n")
    git(folder, "update-index", option, "shop/settings.py")

    with pytest.raises(BuildError, match=r"shop/settings\.py: git is told not to look at it"):
        check(folder)
    assert check(folder, exclude=("shop/*",)) == []


def test_file_that_a_filter_changes_is_refused(folder: Path) -> None:
    """Its form here is that of a clone with the filter; one whose filter changes nothing here is as good as any."""
    git(folder, "config", "filter.up.smudge", "tr a-z A-Z")
    git(folder, "config", "filter.up.clean", "tr A-Z a-z")
    write(folder, ".gitattributes", "*.up filter=up\n*.same filter=same\n*.id ident\n")
    write(folder, "a.up", "SECRET")
    write(folder, "b.same", "same")
    write(folder, "c.id", "$Id: 1$")

    with pytest.raises(BuildError, match=r"a\.up, c\.id: a filter of \.gitattributes"):
        check(folder)
    assert check(folder, exclude=("*.up", "*.id")) == []
    write(folder, "a.up", "lower")
    (folder / "a.up").write_text("changed and not added")
    assert check(folder, exclude=("*.id",)) == []


def test_file_that_is_encrypted_in_git_is_refused(folder: Path) -> None:
    """Where git-crypt has no key, it is encrypted here too."""
    write(folder, ".gitattributes", "secrets.py filter=git-crypt\n")
    write(folder, "secrets.py", "\0GITCRYPT\0abc")

    with pytest.raises(BuildError, match=r"secrets\.py: a filter"):
        check(folder)


def test_file_that_is_left_out_by_its_name_is_told(folder: Path) -> None:
    """It is in git, so somebody may count on it; an example of variables is for developers."""
    for name in ("certs/ca.pem", "shop/static/node_modules/htmx.js", "reports/monthly.html", ".env.production"):
        write(folder, name)
    write(folder, ".env.example")

    told = "not in the image because of its name, unless [tool.estiba] include has it: "
    names = (".env.production", "certs/ca.pem", "reports/monthly.html", "shop/static/node_modules/htmx.js")
    assert check(folder) == [told + ", ".join(names)]
    assert check(folder, include=names) == []
    write(folder, "reports/__init__.py")
    assert check(folder, include=tuple(set(names) - {"reports/monthly.html"})) == []


def test_private_key_under_any_name_is_told(folder: Path) -> None:
    """Its text says what it is; names of files with variables say it too."""
    write(folder, "jwt/signing.txt", "-----BEGIN RSA PRIVATE KEY-----\nabc\n")
    write(folder, ".envs/.production/.django", "SECRET_KEY=x")
    write(folder, "shop/keys.py", 'BEGIN = "-----BEGIN PRIVATE KEY-----"\n')

    told = "in the image, unless [tool.estiba] exclude names it: .envs/.production/.django, jwt/signing.txt"
    assert check(folder) == [told]


def test_hook_of_git_sees_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a service is below the top, git's variables for hooks named no repository, and nothing was looked at."""
    write(folder, "service/.pgpass")
    monkeypatch.setenv("GIT_DIR", ".git")

    with pytest.raises(BuildError, match="a key or a password"):
        check(folder / "service")


def test_folder_outside_of_git_has_nothing_to_tell(tmp_path: Path) -> None:
    """A build takes the folder as it is then."""
    assert check(tmp_path) == []


@pytest.mark.parametrize("glob", GLOBS)
def test_globs_are_those_of_the_build(glob: str) -> None:
    """What Nix leaves out and what is looked at here are the same files."""
    pattern = re.compile(tracked._translate(glob))

    assert {path: bool(pattern.fullmatch(path)) for path in GLOBS[glob]} == GLOBS[glob]

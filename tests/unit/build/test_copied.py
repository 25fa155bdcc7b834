"""A folder in no git repository is copied as it is, so what should be in none stops a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.build import copied
from estiba.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

KEY = "-----BEGIN PRIVATE KEY-----\nabc\n"
UNWANTED = {
    ".env.production": "",
    ".estiba/services/PG_VERSION": "15",
    "db.sqlite3": "",
    "front/node_modules/htmx/htmx.js": "",
    "keys/id_ed25519": "",
    "keys/own.key": KEY,
    "python/pyvenv.cfg": "",
}


def check(folder: Path, *, exclude: tuple[str, ...] = (), include: tuple[str, ...] = ()) -> list[str]:
    """Check the folder."""
    return copied.check(folder, copied.find(folder), exclude=exclude, include=include)


def test_sources_are_copied(tmp_path: Path) -> None:
    """Examples of variables and certificates are for everybody, and so is a package called env."""
    lay(tmp_path, dict.fromkeys((".env.example", "certs/ca.pem", "env/__init__.py", "flake.nix", "manage.py"), ""))

    assert check(tmp_path) == copied.find(tmp_path) == []


def test_environments_secrets_and_data_are_not_copied(tmp_path: Path) -> None:
    """Nix would put them where everybody on the machine can read them; one sentence says what to do."""
    site = lay(tmp_path / "site", {"flake.nix": "", **UNWANTED})
    found = [".env.production", ".estiba/services/", "db.sqlite3", "front/node_modules/", "keys/id_ed25519"]

    assert copied.find(site) == [*found, "keys/own.key", "python/"]
    with pytest.raises(BuildError) as caught:
        check(site)
    assert str(caught.value) == (
        f"site is in no git repository, so Nix would copy all of it, with {', '.join(found)} and 2 more\n"
        "  hint: name them in .gitignore, then git init && git add -A"
    )
    lay(site, {".gitignore": ".env.*\n/.estiba/\n*.sqlite3\nnode_modules\nkeys/*\n# more\npython/\n"})
    with pytest.raises(BuildError) as caught:
        check(site)
    assert caught.value.hint == "git init && git add -A"


def test_data_that_belongs_to_a_service_is_copied(tmp_path: Path) -> None:
    """`include` says so."""
    assert check(lay(tmp_path, {"flake.nix": "", "db.sqlite3": ""}), include=("db.sqlite3",)) == []


def test_folder_without_a_flake_is_copied_without_what_no_image_has(tmp_path: Path) -> None:
    """What is left of it is as in git: data is told, a key is refused until it is left out."""
    lay(tmp_path, UNWANTED)

    with pytest.raises(BuildError, match=r"^keys/id_ed25519: a key or a password"):
        check(tmp_path)
    assert check(tmp_path, exclude=("keys/*",)) == ["in the image, unless [tool.estiba] exclude names it: db.sqlite3"]


@pytest.mark.parametrize(
    ("pattern", "is_ignored"),
    [("venv/", True), ("/site/venv", True), ("v*", True), ("!venv", False), ("#venv", False), ("", False)],
)
def test_pattern_names_a_folder_with_all_below(pattern: str, *, is_ignored: bool) -> None:
    """A leading slash ties it to the top, and another character makes it something else."""
    assert copied.is_ignored("site/venv/lib/x.py", f"{pattern}\nother\n") == is_ignored

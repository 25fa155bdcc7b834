"""Files that a build does not have, since git does not: those that are new, and those that .gitignore names."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.build import untracked

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a repository without a commit."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    return tmp_path


def test_new_files_of_a_service_are_told(folder: Path) -> None:
    """Modules are, and what lies in folders, such as templates; notes at the top and the packages of others are not."""
    names = ("shop/templates/shop/cart.html", "shop/views.py", "urls.py", "notes.txt", "venv/lib/x.txt", ".idea/a.xml")
    lay(folder, dict.fromkeys(names, ""))
    subprocess.run(["git", "init", "--quiet", str(folder / "crane")], check=True)
    lay(folder, {"crane/crane.py": ""})

    assert untracked.choose(untracked.find(folder)) == [
        "crane/",
        "shop/templates/shop/cart.html",
        "shop/views.py",
        "urls.py",
    ]


def test_ignored_files_of_apps_are_told(folder: Path) -> None:
    """Common lists hide migrations, libraries in static folders and messages; what a build makes itself is meant."""
    ignored = (
        ("*/migrations/*", "shop/migrations/0001_initial.py"),
        ("lib/", "shop/static/lib/htmx.js"),
        ("*.mo", "shop/locale/es/LC_MESSAGES/django.mo"),
        ("*.mo", "shop/locale/de/LC_MESSAGES/django.mo"),
        ("/static/", "static/admin/base.css"),
        ("local.py", "shop/local.py"),
        ("venv/", "venv/lib/app/templates/a.html"),
        ("*.pyc", "shop/migrations/0001_initial.pyc"),
    )
    lay(
        folder,
        {".gitignore": "".join(f"{line}\n" for line, _ in ignored), **dict.fromkeys((name for _, name in ignored), "")},
    )
    lay(folder, {"shop/static/a.css": "", "shop/locale/es/LC_MESSAGES/django.po": ""})
    subprocess.run(["git", "-C", str(folder), "add", "."], check=True)

    found = untracked.find_ignored(folder)
    assert found == ["shop/locale/de/LC_MESSAGES/django.mo", "shop/migrations/", "shop/static/lib/"]
    assert untracked.describe(found[1:], ignored=True) == (
        "not in git, so the build does not have: shop/migrations/, shop/static/lib/"
        " (take them out of .gitignore, then git add)"
    )


def test_folder_outside_of_git_has_none(tmp_path: Path) -> None:
    """A build takes the folder as it is then."""
    assert untracked.find_ignored(tmp_path) == []

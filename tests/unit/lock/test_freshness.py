from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from estiba.lock import freshness
from estiba.service import project

if TYPE_CHECKING:
    from estiba.digest import Digest

TINY = Path(__file__).parents[2] / "fixtures" / "services" / "tiny"


def hashed(folder: Path, more: str) -> Digest:
    """Hash the inputs of a service with more in its `[tool.estiba]`."""
    text = (TINY / "pyproject.toml").read_text()
    (folder / "pyproject.toml").write_text(text.replace("[tool.estiba]\n", f"[tool.estiba]\n{more}\n"))
    return freshness.hash_inputs(project.load(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the folder of a service whose settings can be found."""
    (tmp_path / "manage.py").write_bytes((TINY / "manage.py").read_bytes())
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "wsgi.py").touch()
    return tmp_path


@pytest.mark.parametrize("more", ["static = false", 'env = {A = "b"}', 'prepare = [["compilescss"]]'])
def test_what_only_the_build_reads_does_not_make_a_lock_stale(folder: Path, more: str) -> None:
    """Nothing is resolved from it."""
    assert hashed(folder, more) == hashed(folder, "")


def test_commands_with_packages_of_their_own_want_them_locked(folder: Path) -> None:
    """Debian packages that only sdists needed before are a root for the commands now."""
    packages = 'debian-build = ["gettext"]'
    commands = 'prepare = [["compilemessages"]]'

    assert hashed(folder, f"{packages}\n{commands}") != hashed(folder, packages)


def test_requirements_of_own_packages_are_inputs(folder: Path) -> None:
    """What a folder of the service requires belongs to the lock, and its code does not."""
    place = folder / "libs" / "shelf"
    place.mkdir(parents=True)
    (place / "pyproject.toml").write_text('[project]\nname = "shelf"\n')
    text = (TINY / "pyproject.toml").read_text().replace('"whitenoise"', '"whitenoise", "shelf @ file:./libs/shelf"')
    (folder / "pyproject.toml").write_text(text)
    found = [freshness.hash_inputs(project.load(folder))]
    (place / "shelf.py").touch()
    found.append(freshness.hash_inputs(project.load(folder)))
    (place / "setup.cfg").write_text("[options]\ninstall_requires = redis\n")
    found.append(freshness.hash_inputs(project.load(folder)))

    assert found[0] == found[1] != found[2]

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.service.declarations import direct
from estiba.service.declarations.direct import DirectError, Source

if TYPE_CHECKING:
    from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SSH = Source(name="crane", url="ssh://git@example.org/crane.git", commit=COMMIT)


@pytest.mark.parametrize(
    ("line", "requirement", "source"),
    [
        (f"crane @ git+ssh://git@example.org/crane.git@{COMMIT}", "crane", SSH),
        (f"git+ssh://git@example.org/crane.git@{COMMIT}#egg=Crane", "crane", SSH),
        (
            f"crane[hook] @ git+https://example.org/c.git@{COMMIT}#subdirectory=py ; python_version > '3'",
            'crane[hook]; python_version > "3"',
            Source(name="crane", url="https://example.org/c.git", commit=COMMIT, subdirectory="py"),
        ),
        (
            f"git+file:///srv/c@{COMMIT}#egg=crane[hook]&subdirectory=py",
            "crane[hook]",
            Source(name="crane", url="file:///srv/c", commit=COMMIT, subdirectory="py"),
        ),
        ("./libs/shelf", "my-shelf", Source(name="my-shelf", path="libs/shelf")),
        ("libs/shelf/[wood];python_version > '3'", None, Source(name="my-shelf", path="libs/shelf")),
        ("shelf @ file:./libs/shelf", "shelf", Source(name="shelf", path="libs/shelf")),
        ("shelf[wood] @ file:libs/shelf", "shelf[wood]", Source(name="shelf", path="libs/shelf")),
        ("shelf @ file:///${PROJECT_ROOT}/libs/shelf", "shelf", Source(name="shelf", path="libs/shelf")),
        ("./libs/old", "old", Source(name="old", path="libs/old")),
        ("./libs/older", "older", Source(name="older", path="libs/older")),
    ],
)
def test_references_are_read(tmp_path: Path, line: str, requirement: str | None, source: Source) -> None:
    """Addresses and paths in the forms of PEP 508 and pip give a plain requirement, and where it comes from."""
    files = {
        "libs/shelf/pyproject.toml": '[project]\nname = "My_Shelf"\n',
        "libs/old/setup.py": 'from setuptools import setup\nsetup(name="old")\n',
        "libs/older/setup.cfg": "[metadata]\nname = older\n",
    }
    lay(tmp_path, files)
    assert direct.is_direct(line)
    plain, found = direct.parse(line, tmp_path)

    assert found == source
    assert plain == (requirement or 'my-shelf[wood]; python_version > "3"')


def test_address_is_read_back(tmp_path: Path) -> None:
    """The form of a source in the lock is that of PEP 508."""
    source = Source(name="crane", url="https://example.org/c.git", commit=COMMIT, subdirectory="py")

    assert str(source) == f"git+https://example.org/c.git@{COMMIT}#subdirectory=py"
    assert direct.parse(f"crane @ {source}", tmp_path) == ("crane", source)


@pytest.mark.parametrize("line", ["django", "django>=5", "zope.interface[test]; python_version > '3'", "a-b_c==1.0"])
def test_plain_requirements_are_not_direct(line: str) -> None:
    """A name with a version, extras and a marker is asked for at an index."""
    assert not direct.is_direct(line)


def test_credentials_stay_out_of_the_lock() -> None:
    """A token in an address is refused without being shown."""
    with pytest.raises(DirectError, match="holds credentials") as caught:
        direct.at_commit("crane", "https://token@example.org/crane.git", COMMIT)

    assert "token" not in str(caught.value)


def test_folder_without_a_name_is_told_how_to_be_named(tmp_path: Path) -> None:
    """A name that only running its code would tell is asked for."""
    lay(tmp_path, {"libs/odd/setup.py": "setup(name=NAME)\n"})
    with pytest.raises(DirectError, match=r"write NAME @ file:\./libs/odd"):
        direct.parse("./libs/odd", tmp_path)

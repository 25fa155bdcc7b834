from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.djangoproject import lay

from estiba.lock import other_locks
from estiba.lock.python.pins import Pin

if TYPE_CHECKING:
    from pathlib import Path

UV = """\
version = 1
[[package]]
name = "harbour"
version = "0.1"
source = { virtual = "." }
[[package]]
name = "Django"
version = "5.2.1"
source = { registry = "https://example.org/simple" }
[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.org/simple" }
[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://example.org/simple" }
"""
POETRY = """\
[[package]]
name = "Django"
version = "5.2.1"
[[package]]
name = "crane"
version = "1.0"
[package.source]
type = "git"
url = "https://example.org/crane.git"
"""
PYLOCK = '[[packages]]\nname = "django"\nversion = "5.2.1"\n[[packages]]\nname = "crane"\nvcs = { type = "git" }\n'
PIPFILE = '{"default": {"django": {"version": "==5.2.1"}, "crane": {"git": "x", "ref": "y"}}, "develop": {}}'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("uv.lock", UV),
        ("poetry.lock", POETRY),
        ("pdm.lock", '[[package]]\nname = "django"\nversion = "5.2.1"\n'),
        ("pylock.toml", PYLOCK),
        ("Pipfile.lock", PIPFILE),
    ],
)
def test_versions_of_indexes_are_read(tmp_path: Path, name: str, text: str) -> None:
    """A distribution of an index with one version is a pin, and nothing else is."""
    assert other_locks.read(lay(tmp_path, {name: text})) == (name, [Pin(name="django", version="5.2.1")])


def test_compiled_requirements_are_read(tmp_path: Path) -> None:
    """What pip-compile wrote beside the loose files, and beside those that they include, are pins."""
    files = {
        "requirements.in": "-r requirements/base.in\n",
        "requirements/base.in": "-r missing.in\ndjango\n",
        "requirements/base.txt": "django[argon2]==5.2.1 \\\n    --hash=sha256:00\nredis==5.0 ; python_version > '3'\n",
        "requirements/other.txt": "flask==1\n",
    }

    found = [Pin(name="django", version="5.2.1"), Pin(name="redis", version="5.0")]
    assert other_locks.read(lay(tmp_path, files)) == ("requirements.txt", found)


def test_lock_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A file in the middle of a merge, or without one, is no start."""
    assert other_locks.read(lay(tmp_path, {"uv.lock": "<<<<<<<", "poetry.lock": "[package]\nx = 1\n"})) == ("", [])


def test_versions_that_were_not_kept_are_told() -> None:
    """Of what both locks have, those with another version."""
    before = [Pin(name="a", version="1"), Pin(name="b", version="1"), Pin(name="gone", version="1")]
    after = [Pin(name="a", version="1"), Pin(name="b", version="2"), Pin(name="new", version="1")]

    assert other_locks.compare(before, after) == [("b", "1", "2")]
